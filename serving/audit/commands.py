"""The commands of `customer-risk audit` that only read: show, list, replay and verify."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from customer_risk.model.errors import ConfigError
from customer_risk.model.terminal import echo, echo_json
from customer_risk.serving.audit.anchors import read_anchors
from customer_risk.serving.audit.bundles import Bundles
from customer_risk.serving.audit.display import counted, print_record, print_replays, print_table
from customer_risk.serving.audit.factory import check_table
from customer_risk.serving.audit.options import RecordLocation, reading
from customer_risk.serving.audit.progress import Progress
from customer_risk.serving.audit.records import Records, StoredRecord
from customer_risk.serving.audit.replay import Replayed, Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.outbox.record import document, written
from customer_risk.serving.record.shipper.progress import NAME, read_end
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.verification import Report
from customer_risk.serving.record.sinks.verification import verify as verified

_DIFFERS: Final = 1  # exit codes; click's own 2 is for wrong usage
_NOT_AT_HAND: Final = 3


@reading
def show(decision_id: str, where: RecordLocation, transactions: bool, as_json: bool) -> None:
    """Show one decision's record."""
    stored = _one(where, decision_id)
    where.access_log.append([decision_id])
    if as_json:
        echo_json(document(stored.record, stored.names))
    else:
        print_record(stored, transactions=transactions)


@reading
def list_(where: RecordLocation, since: dt.datetime | None, customer: str | None, key_files: tuple[Path, ...]) -> None:
    """List the decisions on a customer, or those since a time."""
    if customer is None and since is None:
        raise click.UsageError("Give --customer or --since.")
    rows = []
    ids = None if customer is None else where.recorded_ids(customer, key_files)
    records = where.records()
    for record, _ in records.since(since, ids):
        if record.kind == "decision":
            likely = "" if record.probability is None else f"{record.probability:.4f}"
            rows.append((written(record.at), record.record_id, record.segment, record.action, likely, record.source))
    where.access_log.append([row[1] for row in sorted(rows)], customers=ids or (), since=since)
    print_table(("decided at", "decision", "segment", "action", "probability", "by"), sorted(rows))
    _end_if_incomplete(records)


@reading
def replay(
    decision_id: str | None,
    where: RecordLocation,
    since: dt.datetime | None,
    sample: int | None,
    seed: int,
    registry: str | None,
    bundles: tuple[Path, ...],
    rule_files: tuple[Path, ...],
) -> None:
    """Compute decisions again and compare."""
    if (decision_id is None) == (since is None and sample is None):
        raise click.UsageError("Give a DECISION_ID, or --since, or --sample.")
    if where.settings is not None and where.settings.rules.file:
        rule_files = (*rule_files, Path(where.settings.rules.file))
    rules = [load_rules(), *(load_rules(path) for path in rule_files)]
    replayer = Replayer(Bundles(registry, bundles).find, rules)
    records = where.records()
    if decision_id is not None:
        chosen: Iterable[StoredRecord] = [_one(where, decision_id)]
    else:
        chosen = records.since(since)
        if sample is not None:
            chosen = _drawn(chosen, sample, seed)
    progress = Progress("records replayed")
    read: list[str] = []

    def replayed() -> Iterator[Replayed]:
        for stored in chosen:
            read.append(stored.record.record_id)
            yield replayer.replay(*stored)
            progress.step()
        where.access_log.append(read, since=since, sample=sample)  # the replays are printed afterwards

    _end(print_replays(replayed()), records)


@reading
def verify(where: RecordLocation, anchor: str | None) -> None:
    """Report records that are missing, altered or added."""
    if not where.places and not where.tables():
        raise ConfigError("The place to which the record is shipped is unknown.", remedy="Give --from or --config.")
    noted = [] if anchor is None else read_anchors(anchor)
    sound = True
    for place in where.places:
        heads = [each.head for each in noted if each.sink == place.sink]
        report = verified(place.objects, ends=_ends(where.outbox, place.sink), heads=heads)
        for problem in report.problems:
            echo(problem)
        if anchor is not None and not report.heads:
            echo(f"{anchor} has no anchor of {place.where}. Give the anchors of this record with --anchor.")
        sound = sound and report.ok and (anchor is None or report.heads > 0)
        echo(
            f"{place.where}: {counted(report.segments, 'segment')} with {counted(report.records, 'record')}, "
            f"{report.erased:,} replaced by erasures: "
            f"{'unchanged since they were written' if report.ok else counted(len(report.problems), 'problem')}"
        )
        _print_counts(place.where, report)
    for table in where.tables():
        checked = check_table(table)
        for problem in checked.problems:
            echo(problem)
        sound = sound and not checked.problems
        echo(
            f"{table.path}: {counted(checked.records, 'record')}, {checked.erased:,} of them erased: "
            f"{counted(len(checked.problems), 'problem') if checked.problems else 'no problems'}; "
            "a table has no chain, so changed rows aren't detected"
        )
    if not sound:
        raise click.exceptions.Exit(_DIFFERS)


def _print_counts(where: str, report: Report) -> None:
    """Print what the verification could not compare, and how many anchors it compared."""
    if report.erasures:
        echo(f"{where}: {counted(report.erasures, 'erasure')} replaced segments")
    if report.unchained:
        echo(
            f"{where}: {counted(report.unchained, 'erasure')} from before erasures had a chain: "
            "they can't be proven genuine"
        )
    if report.unproven:
        echo(
            f"{where}: {counted(report.unproven, 'erased segment')} from before manifests had a proof: "
            "only the number and the form of the records were compared"
        )
    if report.heads:
        echo(f"{where}: compared with {counted(report.heads, 'anchored chain end')}")


def _end_if_incomplete(records: Records) -> None:
    """Print how many records and segments can't be read; end with exit code 1 if there are any."""
    if records.unreadable:
        echo(f"{counted(records.unreadable, 'record')} can't be read.", err=True)
    if records.unreadable_segments:
        echo(
            f"{counted(records.unreadable_segments, 'segment')} can't be read, which may contain more records.",
            err=True,
        )
    if not records.complete:
        raise click.exceptions.Exit(_DIFFERS)


def _end(outcomes: Counter[str], records: Records) -> None:
    """End with the exit code for the outcomes of replays."""
    if not outcomes:
        echo("There is no record to replay.")
    _end_if_incomplete(records)
    if outcomes["differs"]:
        raise click.exceptions.Exit(_DIFFERS)
    if outcomes["not at hand"]:
        raise click.exceptions.Exit(_NOT_AT_HAND)


def _one(where: RecordLocation, decision_id: str) -> StoredRecord:
    records = where.records()
    stored = records.one(decision_id)
    if stored is None and not records.complete:
        raise ConfigError(
            f"No record of {decision_id} was found, but {counted(records.unreadable_segments, 'segment')} and "
            f"{counted(records.unreadable, 'record')} of the outbox can't be read.",
            remedy="Verify the record, or read another place (--from).",
        )
    if stored is None:
        raise ConfigError(
            f"No record of {decision_id} was found.",
            remedy="It may be unshipped (--outbox), in another place (--from), or older than the retention.",
        )
    return stored


def _drawn(records: Iterable[StoredRecord], size: int, seed: int) -> list[StoredRecord]:
    """Draw decisions uniformly, in one pass (reservoir sampling)."""
    drawn: list[StoredRecord] = []
    chance, count = random.Random(seed), 0  # noqa: S311  a reproducible sample, not a secret
    for stored in records:
        if stored.record.kind == "refusal":
            continue
        count += 1
        if len(drawn) < size:
            drawn.append(stored)
        elif (place := chance.randrange(count)) < size:
            drawn[place] = stored
    return drawn


def _ends(outbox: Path | None, sink: str) -> dict[str, Link]:
    """Return the end of the shipper's chain according to its progress in the outbox."""
    if outbox is None or not (outbox / NAME).exists():
        return {}
    try:
        shipper, place = read_end(outbox, sink)
        return {shipper: Link.read(place)} if place else {}
    except (sqlite3.DatabaseError, ValueError) as error:
        echo(f"{outbox / NAME} can't be read ({error}). The end of its chain isn't verified: give --anchor.")
        return {}
