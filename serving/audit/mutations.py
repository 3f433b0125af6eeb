"""The audit commands that change something: erase, reship and init."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import escape_line
from customer_risk.model.terminal import echo
from customer_risk.serving.audit.display import counted
from customer_risk.serving.audit.factory import create_table, erase_rows
from customer_risk.serving.audit.options import RecordLocation, configured_sinks, read_settings, reading
from customer_risk.serving.audit.records import Place, read_all
from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import ERASED, decode
from customer_risk.serving.record.shipper.lock import Lock
from customer_risk.serving.record.shipper.progress import NAME, Plan, Progress
from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.erasure import erase as erased
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_UNFINISHED: Final = 1  # exit code: the command must be repeated later
_LOOK_SECONDS: Final = 0.01  # between two attempts


@reading
def erase(
    customer: str, where: RecordLocation, why: str, key_files: tuple[Path, ...], yes: bool, take_lock: bool
) -> None:
    """Erase a customer's data from the record."""
    stores = [*(each.where for each in where.places), *(each.path for each in where.tables())]
    if not stores:
        raise ConfigError("The place to which the record is shipped is unknown.", remedy="Give --from or --config.")
    if customer in {"", ERASED}:
        raise ConfigError(f"{customer!r} is not a customer's id.", remedy="Give the customer_id of the requests.")
    ids = where.recorded_ids(customer, key_files)
    if not yes:
        click.confirm(
            f"Erase {escape_line(customer)} from {', '.join(map(escape_line, stores))}?", abort=True, err=True
        )
    where.access_log.append(customers=ids)
    author = where.operator
    left = [_erase(place, ids, author, why, take_lock=take_lock) for place in where.places]
    left += [_erase_rows(table, ids, author, why) for table in where.tables()]
    if any([*left, _still_in(where, ids)]):
        raise click.exceptions.Exit(_UNFINISHED)


def reship(outbox: Path, sink: str, since: dt.datetime | None, wait: float, yes: bool) -> None:
    """Ship the outbox's records again to a sink that was emptied."""
    if not (outbox / NAME).exists():
        raise ConfigError(f"{outbox} has no progress of a shipper.", remedy="Give the folder that record.folder names.")
    if not yes:
        click.confirm(
            f"Is the sink {sink!r} empty{'' if since is None else f' from {since} on'}?", abort=True, err=True
        )
    lock = Lock(outbox)
    _take(lock, outbox, wait)
    try:
        progress = Progress(outbox)
        try:
            progress.rewind(sink)
            count = 0
            for file in find_files(outbox):
                done, last = _before(file, since), file.last()
                count += last - done
                if done:
                    plan = Plan(file.source, 1, done, (), b"")
                    progress.intend(sink, plan)
                    progress.settle(sink, plan, b"")
        finally:
            progress.close()
    finally:
        lock.release()
    echo(f"{counted(count, 'record')} will be shipped to {sink} again, once the shipper runs.")


def init(config: Path) -> None:
    """Create what the sinks need, and check each sink."""
    for each in configured_sinks(read_settings(config)):
        if isinstance(each, BigQuerySettings):
            for line in create_table(each):
                echo(line)
        sink = open_sink(each, "0" * 32)
        try:
            sink.check()
        finally:
            sink.close()
        echo(f"{sink.name}: ready")


def _erase(place: Place, ids: Sequence[str], author: str, why: str, *, take_lock: bool) -> bool:
    """Erase a customer from one place; return whether it must be done again."""
    unreadable: set[str] = set()

    def skip(error: SegmentUnreadable) -> None:
        if error.key not in unreadable:  # an erasure reads each segment several times
            unreadable.add(error.key)
            echo(f"{place.where}: {error}", err=True)

    there = {each["customer_id"] for each in place.find(customer_ids=ids, skipped=skip)}
    again, replaced = False, 0
    for recorded in [each for each in ids if each in there] or ids[:1]:  # one at least: to complete unfinished erasures
        erasure = erased(
            place.objects, recorded, by=author, why=why, now=dt.datetime.now(dt.UTC), take_lock=take_lock, skipped=skip
        )
        take_lock = False  # from now on, a lock belongs to a running erasure
        replaced += len(erasure.replaced)
        again = again or bool(erasure.waiting)
        if erasure.replaced:
            echo(f"{place.where}: {counted(len(erasure.replaced), 'segment')} replaced; erasure {erasure.id}")
        for key in erasure.waiting:
            echo(f"{place.where}: no manifest names {key} yet: erase again when the shipper has written the manifest")
    if unreadable:
        echo(
            f"{place.where}: {counted(len(unreadable), 'segment')} can't be read, and "
            "may have data of this customer: verify the record, restore the segments from elsewhere, and erase again"
        )
    elif not replaced and not again:
        echo(f"{place.where}: no data of this customer")
    return again or bool(unreadable)


def _erase_rows(table: BigQuerySettings, ids: Sequence[str], author: str, why: str) -> bool:
    """Erase a customer from a table; return whether it must be done again."""
    try:
        count = sum(erase_rows(table, each, by=author, why=why, now=dt.datetime.now(dt.UTC)) for each in ids)
    except SinkUnavailable as error:
        echo(f"{table.path}: {error}")
        return True
    echo(f"{table.path}: {counted(count, 'row')} blanked" if count else f"{table.path}: no data of this customer")
    return False


def _still_in(where: RecordLocation, ids: Sequence[str]) -> bool:
    """Return whether the outbox still has records of the customer, and print how many."""
    records = where.outbox_alone()
    kept = sum(1 for _ in records.since(customer_ids=ids))
    if kept:
        echo(
            f"{where.outbox}: {counted(kept, 'record')} of this customer stay until their file ends (within an hour) "
            "and is shipped, and record.ship.keep_seconds have passed: erase again then"
        )
    if records.unreadable:
        echo(
            f"{where.outbox}: {counted(records.unreadable, 'record')} can't be read, and may "
            "be of this customer: search the folders quarantine and dead by hand"
        )
    return kept > 0 or not records.complete


def _take(lock: Lock, outbox: Path, wait: float) -> None:
    until = time.monotonic() + wait
    logged = False
    while not lock.take():
        if time.monotonic() >= until:
            raise ConfigError(
                f"A shipper is still running on {outbox}.",
                remedy="End it (kill -TERM its process) while this command waits; --wait sets for how long.",
            )
        if not logged:
            echo("waiting for the shipper to end", err=True)
            logged = True
        time.sleep(_LOOK_SECONDS)


def _before(file: OutboxFile, since: dt.datetime | None) -> int:
    """Return the number of a file's last record before a time, or 0 without such a record."""
    if since is None:
        return 0
    first = int(since.timestamp() * 1e6)
    for each in read_all(file):
        try:
            record = decode(each.body)
        except ValueError:  # the shipper reports a record that it can't ship
            continue
        if record.at >= first:
            return each.seq - 1
    return file.last()
