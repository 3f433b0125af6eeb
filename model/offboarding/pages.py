"""The lists and the segments as pages that a person reads or prints: one file each, nothing fetched, no script."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import polars as pl

from customer_risk.model.escaping import escape_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from customer_risk.model.offboarding.dossier import Dossier
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.offboarding.segments import Profile


def offboarding_page(scored: Scored, run: Run, dossiers: Sequence[Dossier]) -> str:
    """Write the off-boarding list as HTML: why and how the list came about, then a card for each customer."""
    return _list_page(scored, run, dossiers, title="Customers proposed for off-boarding", offboarding=True)


def review_page(scored: Scored, run: Run, dossiers: Sequence[Dossier]) -> str:
    """Write the review list as HTML."""
    return _list_page(scored, run, dossiers, title="Customers to review", offboarding=False)


def segments_page(run: Run, profiles: Sequence[Profile]) -> str:
    """Write the segments' characteristics as HTML."""
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
            held_back=_held_back(counts),
            dossiers=dossiers,
        )
    )


def _criteria(scored: Scored) -> list[dict[str, object]]:
    """Return each declared rule, and how many customers it was found at."""
    high = scored.table.filter(pl.col("segment") == "high")["customer_id"].implode()
    everyone = dict(scored.patterns.group_by("code").len().iter_rows())
    among_high = dict(scored.patterns.filter(pl.col("customer_id").is_in(high)).group_by("code").len().iter_rows())
    return [
        {
            "code": one.rule.code,
            "name": one.rule.name,
            "why": one.rule.why,
            "thresholds": one.describe(),
            "high": among_high.get(one.rule.code, 0),
            "everyone": everyone.get(one.rule.code, 0),
        }
        for one in scored.criteria.declared
    ]


def _balance(dossiers: Sequence[Dossier]) -> str:
    if not dossiers:
        return "This run proposes nobody."
    risky = sum(dossier.probability for dossier in dossiers)
    return (
        f"Of the {len(dossiers)} proposed here, the calibrated scores alone expect {risky:.1f} to be risky and "
        f"{len(dossiers) - risky:.1f} not. That is why each line waits for a person's decision."
    )


def _held_back(counts: dict[str, int]) -> str:
    return (
        f"Of {counts['high']} customers in the High segment, {counts['offboarding']} are proposed for off-boarding: "
        f"a declared pattern stands in their transactions. The other {counts['review_high']} are here: to send them "
        "away on a score alone would cost the bank good customers. The patterns below are those searched for."
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
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
