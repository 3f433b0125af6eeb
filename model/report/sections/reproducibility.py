"""What is needed to repeat this run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Block, Cell, Paragraph, Section, Table, figures, words
from customer_risk.model.report.numbers import counted, written
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

UNKNOWN = "unknown"


def section(results: RunResults) -> Section:
    """State versions, seed, commit, hashes and times."""
    run = results.provenance
    rows = (
        ("Bundle", run.bundle_version, "SHA-256 of its manifest: the version that every decision names"),
        ("Commit", run.git_commit, f"of {run.commit_date}" if run.commit_date != UNKNOWN else "date unknown"),
        ("Tables", run.data_hash, f"SHA-256 of what was read{'; synthetic customers' if run.synthetic else ''}"),
        *(
            [("Exchange rates", run.rates_sha256, "SHA-256 of the file that the mapping names")]
            if run.rates_sha256
            else []
        ),
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
                "Origin of these numbers",
                words("What", "Value"),
                tuple((Cell(what, below), Cell(value)) for what, value, below in rows),
            ),
            _timings(results),
        ),
    )


def _timings(results: RunResults) -> Block:
    if not results.timings:
        return absent("Times", "the run kept none.")
    total = sum(each.seconds for each in results.timings)
    return Table(
        "Time taken",
        (*words("Stage"), *figures("Seconds")),
        (
            *((Cell(each.stage), Cell(written(each.seconds, "ratio"))) for each in results.timings),
            (Cell("Total", strong=True), Cell(written(total, "ratio"), strong=True)),
        ),
    )
