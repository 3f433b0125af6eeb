"""The lists, the segments and an explanation as HTML pages: one file each, without scripts or external resources."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import markupsafe
import polars as pl

from customer_risk.model.escaping import escape_text, escape_value
from customer_risk.model.offboarding.dossier import share_of_effects

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from customer_risk.model.offboarding.dossier import Dossier
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.offboarding.segments import Profile
    from customer_risk.model.tables.mapping import CohortName


def offboarding_page(scored: Scored, run: Run, dossiers: Sequence[Dossier]) -> str:
    """Return the off-boarding list as HTML: why customers are on it, then a card for each customer."""
    return _list_page(scored, run, dossiers, title="Customers proposed for off-boarding", offboarding=True)


def review_page(scored: Scored, run: Run, dossiers: Sequence[Dossier]) -> str:
    """Return the review list as HTML."""
    return _list_page(scored, run, dossiers, title="Customers to review", offboarding=False)


def explanation_page(scored: Scored, dossier: Dossier, *, cohort: CohortName, made_at: datetime) -> str:
    """Return the dossier of one customer as HTML, with every pattern that was looked for."""
    found = {pattern.code for pattern in dossier.patterns}
    criteria = [
        {"code": one.code, "name": one.pattern.name, "thresholds": one.describe(), "found": one.code in found}
        for one in scored.criteria.declared
    ]
    return (
        _environment()
        .get_template("explain.html.j2")
        .render(
            title="One customer's score explained",
            dossier=dossier,
            thresholds=scored.bundle.manifest.thresholds,
            criteria=criteria,
            rule=scored.criteria.describe(),
            customers=scored.table.height,
            cohort=cohort,
            bundle=scored.bundle.version,
            made_at=_moment(made_at),
        )
    )


def segments_page(run: Run, profiles: Sequence[Profile]) -> str:
    """Return the segments' characteristics as HTML."""
    template = _environment().get_template("segments.html.j2")
    return template.render(title="The segments", run=run, made_at=_moment(run.made_at), profiles=profiles)


def _list_page(scored: Scored, run: Run, dossiers: Sequence[Dossier], *, title: str, offboarding: bool) -> str:
    counts = run.counts
    tiles = (
        ("customers scored", counts["customers"]),
        ("in the High segment", counts["high"]),
        ("proposed for off-boarding", counts["offboarding"]),
        ("High, to review", counts["review_high"]),
        ("Medium, to review", counts["review_medium"]),
    )
    return (
        _environment()
        .get_template("list.html.j2")
        .render(
            title=title,
            offboarding=offboarding,
            run=run,
            made_at=_moment(run.made_at),
            tiles=tiles,
            criteria=_criteria(scored),
            balance=_balance(dossiers),
            held_back=_held_back(counts, run.corroboration_minimum),
            kept=_kept(dossiers),
            rule=scored.criteria.describe(),
            any_earlier=any(dossier.earlier for dossier in dossiers),
            dossiers=dossiers,
        )
    )


def _criteria(scored: Scored) -> list[dict[str, object]]:
    """Return each pattern of the rule with the number of customers in whose transactions it was found."""
    high = scored.table.filter(pl.col("segment") == "high")["customer_id"].implode()
    everyone = dict(scored.patterns.group_by("code").len().iter_rows())
    among_high = dict(scored.patterns.filter(pl.col("customer_id").is_in(high)).group_by("code").len().iter_rows())
    return [
        {
            "code": one.code,
            "name": one.pattern.name,
            "why": one.pattern.why,
            "thresholds": one.describe(),
            "high": among_high.get(one.code, 0),
            "everyone": everyone.get(one.code, 0),
        }
        for one in scored.criteria.declared
    ]


def _balance(dossiers: Sequence[Dossier]) -> str:
    if not dossiers:
        return "This run proposes no customer."
    risky = sum(dossier.probability for dossier in dossiers)
    return (
        f"By their probabilities alone, {risky:.1f} of the {len(dossiers)} customers proposed here are expected to be "
        f"risky, and {len(dossiers) - risky:.1f} not. Therefore a person decides on each line."
    )


def _held_back(counts: dict[str, int], minimum: int) -> str:
    needed = f"{minimum} pattern{'s' if minimum != 1 else ''}"
    return (
        f"{counts['high']} customers are in the segment High. {counts['offboarding']} of them are proposed for "
        f"off-boarding: at least {needed} of those below {'was' if minimum == 1 else 'were'} found in their "
        f"transactions. The other {counts['review_high']} are on this list, because a score alone is not enough to "
        f"propose off-boarding. {counts['review_medium']} customers in the segment Medium are also on this list."
    )


def _kept(dossiers: Sequence[Dossier]) -> str:
    decided = [dossier.earlier for dossier in dossiers if dossier.earlier]
    if not decided:
        return ""
    same = sum(not one.changes for one in decided)
    return (
        f"A person decided on {len(decided)} of these customers before; their cards show the decision. For {same} of "
        "them, nothing has changed since. They stay on the list."
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=escape_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "clock": lambda time: f"{time:%H:%M}",
        "money": lambda amount: f"{amount:,.2f}",
        "percent": lambda share: f"{100 * share:.2f}%",
        "whole": lambda share: f"{share:.0%}",
        "share": share_of_effects,
        "breakable": _breakable,
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def _breakable(text: str) -> markupsafe.Markup:
    """Return text in which a line may break after an underscore, as in codes."""
    return markupsafe.Markup("_<wbr>").join(escape_text(text).split("_"))


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
