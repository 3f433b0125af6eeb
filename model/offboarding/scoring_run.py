"""Writes the folder of a scoring run: scores, segments, the two lists with their evidence, and the run's record."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from customer_risk.model import atomic
from customer_risk.model.config import SignOff
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding import lists, pages, record, segments
from customer_risk.model.offboarding.decided_before import NO_SIGN_OFFS, EarlierSignOffs
from customer_risk.model.offboarding.dossier import dossiers, evidence
from customer_risk.model.offboarding.receipts import SIGNED
from customer_risk.model.offboarding.sign_off import VERDICTS
from customer_risk.model.offboarding.spreadsheet import csv_bytes
from customer_risk.model.offboarding.workbook import xlsx_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.tables.mapping import CohortName


def check_place(folder: Path, *, force: bool) -> None:
    """Check, before any work is done, that a run may be written to `folder`.

    An absent or empty folder may be written. With `force`, so may an earlier run that isn't signed off. Raises
    ConfigError otherwise.
    """
    if not folder.exists():
        nearest = next(one for one in folder.parents if one.exists())
        if not nearest.is_dir():
            raise ConfigError(f"{folder} can't be made: {nearest} is a file.", remedy="Name another folder with --out.")
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", remedy="Name a folder with --out.")
    if (folder / SIGNED).exists():
        raise ConfigError(
            f"{folder} has signed-off lists, which are never replaced.", remedy="Name another folder with --out."
        )
    if not (folder / record.NAME).is_file():
        raise ConfigError(f"{folder} has files that no scoring run wrote.", remedy="Name another folder with --out.")
    if not force:
        raise ConfigError(
            f"{folder} has an earlier scoring run.",
            remedy="Name another folder with --out, or replace it with --force.",
        )


def write_run(
    folder: Path,
    scored: Scored,
    *,
    tables: dict[str, str],
    cohort: CohortName,
    made_at: datetime,
    sign_off: SignOff = SignOff(),  # noqa: B008  it is frozen
    earlier: EarlierSignOffs = NO_SIGN_OFFS,
    force: bool = False,
    tick: Callable[[int, int], object] = lambda _done, _all: None,
) -> Run:
    """Write the run's folder, all files or none; return its record.

    `earlier` are decisions on earlier runs, shown with the customers. `tables` are the hashes of `record.hash_tables`.
    `tick` is called with the number of listed customers done and their total. Raises ConfigError as `check_place` does.
    """
    check_place(folder, force=force)
    table, rule = scored.table, scored.criteria.rule
    scores = _parquet_bytes(table)
    run = record.identified(
        record.Run(
            made_at=made_at,
            bundle=scored.bundle.version,
            bundle_name=scored.bundle.manifest.name,
            catalogue_hash=scored.bundle.manifest.catalogue_hash,
            cohort=cohort,
            tables=tables,
            corroboration={code: dict(limits) for code, limits in rule.patterns.items()},
            corroboration_minimum=rule.minimum,
            thresholds={
                "medium": scored.bundle.manifest.thresholds.medium,
                "high": scored.bundle.manifest.thresholds.high,
            },
            counts=_counts(table),
            traps=scored.cohort.counts,
            scores=record.sha256(scores),
            sign_off=sign_off,
            action_rule=rule.version,
            action_rule_from=scored.criteria.origin,
            wordings=scored.bundle.manifest.wordings_version,
            earlier=dict(earlier.receipts),
        )
    )
    files = {"scores.parquet": scores, "scores.csv": csv_bytes(table)}
    if scored.cohort.rates is not None:
        files["conversions.csv"] = csv_bytes(scored.cohort.conversions)
    files |= _segment_files(scored, run)
    files |= _list_files(scored, run, earlier, tick)
    run = msgspec.structs.replace(run, files={name: record.sha256(files[name]) for name in sorted(files)})
    with atomic.new_folder(folder, replace=force) as filling:
        for name, content in files.items():
            (filling / name).write_bytes(content)
        (filling / record.NAME).write_bytes(record.encode(run))
    return run


def _segment_files(scored: Scored, run: Run) -> dict[str, bytes]:
    profiles = segments.characterise(scored)
    return {
        "segments.csv": csv_bytes(segments.as_table(profiles)),
        "segments.html": pages.segments_page(run, profiles).encode(),
    }


def _list_files(
    scored: Scored, run: Run, earlier: EarlierSignOffs, tick: Callable[[int, int], object]
) -> dict[str, bytes]:
    listed = scored.table.filter(pl.col("list") != "")
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        tick(done, listed.height)

    everyone = dossiers(scored, earlier, tick=count)
    proposed = [dossier for dossier in everyone if dossier.listing == "off-boarding"]
    # High customers come first, so that a reviewer sees them before Medium ones.
    others = sorted((dossier for dossier in everyone if dossier.listing != "off-boarding"), key=lambda d: d.segment)
    named = {"model_version": run.bundle, "run": run.run}
    offboarding, review = lists.offboarding_list(proposed, **named), lists.review_list(others, **named)
    shown = evidence(scored, listed).rename({"local": "local_time"})
    return {
        "offboarding.csv": csv_bytes(offboarding),
        "offboarding.parquet": _parquet_bytes(offboarding),
        "offboarding.xlsx": xlsx_bytes(offboarding, made_at=run.made_at, verdicts=VERDICTS),
        "offboarding.html": pages.offboarding_page(scored, run, proposed).encode(),
        "review.csv": csv_bytes(review),
        "review.parquet": _parquet_bytes(review),
        "review.html": pages.review_page(scored, run, others).encode(),
        "evidence.csv": csv_bytes(shown),
        "evidence.parquet": _parquet_bytes(shown),
    }


def _counts(table: pl.DataFrame) -> dict[str, int]:
    segment, listing = pl.col("segment"), pl.col("list")
    counted = table.select(
        customers=pl.len(),
        without_transactions=(pl.col("transactions") == 0).sum(),
        low=(segment == "low").sum(),
        medium=(segment == "medium").sum(),
        high=(segment == "high").sum(),
        offboarding=(listing == "off-boarding").sum(),
        review_high=(listing == "review: high without corroboration").sum(),
        review_medium=(listing == "review: medium").sum(),
    )
    return {name: int(count) for name, count in counted.row(0, named=True).items()}


def _parquet_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
