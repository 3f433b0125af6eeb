"""The section on reproducibility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Block, Cell, Paragraph, Section, Table, figures, rows_of, words
from customer_risk.model.report.numbers import counted, written
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

UNKNOWN = "unknown"


def section(results: RunResults) -> Section:
    """Show versions, seed, commit, hashes and times."""
    run = results.provenance
    rows = (
        ("Bundle", run.bundle_version, "SHA-256 of its manifest: the version in every decision"),
        ("Commit", run.git_commit, f"of {run.commit_date}" if run.commit_date != UNKNOWN else "date unknown"),
        ("Tables", run.data_hash, f"SHA-256 of the clean tables{'; synthetic customers' if run.synthetic else ''}"),
        *([("Exchange rates", run.rates_sha256, "SHA-256 of the file of rates")] if run.rates_sha256 else []),
        ("Feature catalogue", run.catalogue_hash, ""),
        (
            "Action rule",
            f"version {results.action_rule}",
            f"off-boarding is proposed for High with at least {counted(results.criteria_minimum, 'pattern')}",
        ),
        ("Seed", str(run.seed), ""),
        ("Threads", str(run.threads), ""),
        ("CPU family", run.cpu_family, ""),
        *((name, version, "library") for name, version in sorted(run.libraries.items())),
    )
    return Section(
        "reproducibility",
        "Reproducibility",
        (
            Paragraph(
                "The same tables, seed, versions, commit and number of threads give the same bundle, byte for byte. "
                "The times below are those of this run; no bundle contains them."
            ),
            Table(
                "Origin of the results",
                words("What", "Value"),
                rows_of((Cell(what, below), value) for what, value, below in rows),
            ),
            _timings(results),
        ),
    )


def _timings(results: RunResults) -> Block:
    if not results.timings:
        return absent("Times", "the run has no times.")
    total = sum(each.seconds for each in results.timings)
    return Table(
        "Time taken",
        (*words("Stage"), *figures("Seconds")),
        rows_of(
            (
                *((each.stage, written(each.seconds, "ratio")) for each in results.timings),
                (Cell("Total", strong=True), Cell(written(total, "ratio"), strong=True)),
            )
        ),
    )
