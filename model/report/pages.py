"""Renders the report as one HTML page that loads no other file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from customer_risk.model.escaping import escape_value
from customer_risk.model.report.numbers import count, counted
from customer_risk.model.report.plots.canvas import PER_INCH, drawn
from customer_risk.model.report.sections import (
    calibration,
    choice,
    data,
    decisions,
    example,
    explanations,
    fairness,
    leaks,
    limits,
    performance,
    reproducibility,
    segments,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from customer_risk.model.evaluation.results import RunResults
    from customer_risk.model.report.blocks import Picture, Section, Table

TEMPLATES = Path(__file__).with_name("templates")
TITLE = "Customer risk"
NOT_STATED = "not stated"
SECTIONS: tuple[Callable[[RunResults], Section], ...] = (
    summary.section,
    example.section,
    data.section,
    leaks.section,
    choice.section,
    performance.section,
    calibration.section,
    decisions.section,
    explanations.section,
    fairness.section,
    segments.section,
    limits.section,
    reproducibility.section,
)


def page(results: RunResults) -> str:
    """Return the report as HTML; the same results give the same text."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=TITLE,
            identity=identity(results),
            imprint=imprint(results),
            synthetic=results.provenance.synthetic,
            style=Markup(style),  # noqa: S704  a file of this package; its quotes must not be escaped
            sections=[make(results) for make in SECTIONS],
            number=_numbering(),
            drawn=drawn,
            width=lambda picture: round(picture.size[0] * PER_INCH),
        )
    )


def environment() -> jinja2.Environment:
    """Return the environment of the templates, which escapes HTML and raises for unknown names."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(("html", "html.j2")),
        undefined=jinja2.StrictUndefined,
        finalize=escape_value,
        keep_trailing_newline=True,
    )


def identity(results: RunResults) -> str:
    """Return the line that identifies the run."""
    run = results.provenance
    return (
        f"Bundle {run.bundle_version[:12]}, commit {short_commit(run.git_commit)}, tables {run.data_hash[:12]}, seed "
        f"{run.seed}; {counted(results.data.customers)}, {count(results.data.suspended)} of them suspended"
    )


def imprint(results: RunResults) -> tuple[tuple[str, str], ...]:
    """Return organisation, dates, author and readers as pairs of a name and a value."""
    run, given = results.provenance, results.imprint
    made_up = "synthetic customers, made up by this program" if run.synthetic else ""
    return (
        ("Source of the data", "; ".join(filter(None, (given.organisation, made_up))) or NOT_STATED),
        ("Newest event in the data", results.data.last_event or NOT_STATED),
        ("Date of the commit", run.commit_date),
        ("Author", given.author or NOT_STATED),
        ("Readers", given.audience or NOT_STATED),
    )


def short_commit(commit: str) -> str:
    """Return twelve digits of a commit, and a note if files differed from the commit."""
    return commit[:12] + (" with uncommitted changes" if commit.endswith("-dirty") else "")


def _numbering() -> Callable[[Picture | Table], int]:
    """Return a function that numbers figures and tables separately, in the order of rendering."""
    counted: Counter[str] = Counter()

    def number(block: Picture | Table) -> int:
        counted[block.kind] += 1
        return counted[block.kind]

    return number
