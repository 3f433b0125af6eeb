"""What `customer-risk explain` does: print the dossier of one customer, and write it as a page if asked."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from customer_risk.model.atomic import write_file
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.dossier import share_of_effects
from customer_risk.model.offboarding.explaining import explain as explain_customer
from customer_risk.model.offboarding.pages import explanation_page
from customer_risk.model.tables.mapping import CohortName
from customer_risk.model.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from customer_risk.model.offboarding.dossier import Line
    from customer_risk.model.offboarding.explaining import Explanation
    from customer_risk.model.offboarding.profile_facts import Fact

_WIDTH: Final = 100
_INDENT: Final = "  "


def explain(
    *,
    bundle: Path,
    tables: Path,
    customer: str,
    cohort: CohortName,
    out: Path | None,
    config: Path | None,
    mapping: Path | None,
    force: bool,
) -> None:
    """Explain one customer's score on standard output; with `out`, also write the explanation as an HTML page.

    Raises ConfigError if `out` exists and `force` isn't given, or if its folder doesn't exist.
    """
    if out is not None:
        _check_place(out, force=force)
    console = Console(stderr=True)
    with console.status("starting") as status:
        made = explain_customer(
            bundle, tables, customer, cohort=cohort, config=config, mapping=mapping, step=status.update
        )
    for line in lines(made, cohort):
        echo(line)
    if out is not None:
        made_at = datetime.now(UTC).replace(microsecond=0)
        page = explanation_page(made.scored, made.dossier, cohort=cohort, made_at=made_at)
        write_file(out, page.encode(), mode=0o600)  # it has personal data
        echo(f"Page written to {out}")


def lines(made: Explanation, cohort: CohortName) -> list[str]:
    """Return the explanation as lines for a terminal."""
    one, criteria = made.dossier, made.scored.criteria
    found = {pattern.code: pattern.sentence for pattern in one.patterns}
    said = [
        f"Customer {one.customer_id}, {cohort}: segment {one.segment.capitalize()}, probability {one.probability:.3f}"
    ]
    said += _wrapped([one.because, *(f"{cut.tell()}." for cut in one.cut_offs)])
    said += ["Profile", *_facts(one.profile), "History", *_facts(one.history)]
    said += ["What raises the score (share of all effects on it)", *_reasons(one.raises)]
    said += ["What lowers the score", *_reasons(one.lowers)]
    said.append(f"Patterns looked for in the transactions ({len(found)} of {len(criteria.declared)} found)")
    for wording in criteria.declared:
        text = found.get(wording.code)
        said += _wrapped(
            [f"{'FOUND    ' if text else 'not found'}  {wording.code}: {text or wording.describe()}"], hang=11
        )
    said += ["How certain the score is", *_wrapped([*one.doubts, one.certainty.tell()])]
    said += ["The rule", *_wrapped([criteria.describe()])]
    said += [f"Bundle {made.scored.bundle.version[:16]}, compared with {made.scored.table.height:,} {cohort} customers"]
    return said


def _facts(facts: Sequence[Fact]) -> list[str]:
    """Return lines of facts separated by semicolons; no fact is broken across lines."""
    rows = [""]
    for fact in facts:
        text = f"{fact.name}: {fact.value}"
        if rows[-1] and len(rows[-1]) + len(text) + 2 > _WIDTH - len(_INDENT):
            rows.append("")
        rows[-1] += f"; {text}" if rows[-1] else text
    return [f"{_INDENT}{row}" for row in rows]


def _reasons(reasons: Sequence[Line]) -> list[str]:
    if not reasons:
        return [f"{_INDENT}no feature does"]
    return _wrapped([f"{share_of_effects(line.share):>4}  {line.tell()} [{line.code}]" for line in reasons], hang=6)


def _wrapped(paragraphs: Iterable[str], *, hang: int = 0) -> list[str]:
    return [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(
            paragraph,
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT + " " * hang,
            break_on_hyphens=False,
        )
    ]


def _check_place(out: Path, *, force: bool) -> None:
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder.", remedy="Create it, or name another file with --out.")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder.", remedy="Name a file with --out.")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists already.", remedy="Name another file with --out, or replace it with --force.")
