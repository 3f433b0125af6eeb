"""Exports all data that the record has on a person, for a request under article 15 of the GDPR."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from customer_risk.model.atomic import write_file
from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import escape_line
from customer_risk.model.terminal import echo, format_json
from customer_risk.serving.audit.display import counted, input_of, record_lines
from customer_risk.serving.audit.options import RecordLocation, reading
from customer_risk.serving.audit.records import Records, StoredRecord
from customer_risk.serving.record.outbox.record import ERASED, document

_INCOMPLETE: Final = 1  # exit code: something couldn't be read
JSON: Final = "decisions.json"
TEXT: Final = "decisions.txt"
_NOT_SEARCHED: Final = (
    "Not searched: other pods' outboxes, the outbox's folders dead and quarantine, results of jobs and of table "
    "batches, answers kept for idempotency keys, backups."
)


@reading
def export(customer: str, where: RecordLocation, to: Path, key_files: tuple[Path, ...]) -> None:
    """Write all data that the record has on a customer, as JSON and as text."""
    if customer in {"", ERASED}:
        raise ConfigError(f"{customer!r} is not a customer's id.", remedy="Give the customer_id of the requests.")
    if to.exists():
        raise ConfigError(f"{to} exists.", remedy="Name a folder that doesn't exist yet.")
    ids = where.recorded_ids(customer, key_files)
    read = [(each.where, Records([each])) for each in where.sources()]
    if where.outbox is not None:
        read.append((str(where.outbox), where.outbox_alone()))
    if not read:
        raise ConfigError("The place of the record is unknown.", remedy="Give --from, --outbox or --config.")
    found = _found(read, ids)
    where.access_log.append([stored.record.record_id for stored, _ in found], customers=ids)
    places = [name for name, _ in read]
    to.mkdir(parents=True, mode=0o700)
    write_file(to / JSON, _as_json(customer, ids, places, found).encode(), mode=0o600)
    write_file(to / TEXT, _as_text(customer, ids, places, found).encode(), mode=0o600)
    unreadable = sum(records.unreadable for _, records in read)
    segments = sum(records.unreadable_segments for _, records in read)
    echo(f"Wrote {counted(len(found), 'decision')} of {customer} from {', '.join(places)} to {to}.")
    echo(_NOT_SEARCHED)
    if unreadable or segments:
        echo(
            f"{counted(segments, 'segment')} and {counted(unreadable, 'record')} can't be read. Read them by hand: "
            f"they may have decisions on {customer}.",
            err=True,
        )
        raise click.exceptions.Exit(_INCOMPLETE)


def _found(read: Sequence[tuple[str, Records]], ids: Sequence[str]) -> list[tuple[StoredRecord, list[str]]]:
    """Return each record of a customer, in order of time, with the places that store it."""
    found: dict[str, tuple[StoredRecord, list[str]]] = {}
    for name, records in read:
        for stored in records.since(customer_ids=ids):
            # A decision differs between places if one was altered: then both records are written.
            key = f"{stored.record.record_id} {_text_of(stored)}"
            found.setdefault(key, (stored, []))[1].append(name)
    return sorted(found.values(), key=lambda each: (each[0].record.at, each[0].record.record_id))


def _text_of(stored: StoredRecord) -> str:
    """Return a record's document as text, for comparing records of different places."""
    return format_json(_without_nulls(document(stored.record, stored.names)))


def _without_nulls(value: Any) -> Any:
    """Return plain values without null fields: some places store nulls, and others leave such fields out."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in sorted(value.items()) if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _as_json(
    customer: str, ids: Sequence[str], places: Sequence[str], found: Sequence[tuple[StoredRecord, list[str]]]
) -> str:
    whole = {
        "customer_id": customer,
        "recorded_as": list(ids),
        "exported_at": dt.datetime.now(dt.UTC).isoformat(),
        "places": list(places),
        "not_searched": _NOT_SEARCHED,
        "decisions": [
            {
                "places": there,
                "record": document(stored.record, stored.names),
                "input": None if (given := input_of(stored.record)) is None else given._asdict(),
            }
            for stored, there in found
        ],
    }
    return format_json(whole) + "\n"


def _as_text(
    customer: str, ids: Sequence[str], places: Sequence[str], found: Sequence[tuple[StoredRecord, list[str]]]
) -> str:
    lines = [
        escape_line(f"All decisions on the customer {customer} in {', '.join(places)}."),
        escape_line(f"Ids under which the record may have this customer: {', '.join(ids)}."),
        _NOT_SEARCHED,
        f"{counted(len(found), 'decision')}.",
    ]
    for stored, there in found:
        lines += ["", "=" * 100, escape_line(f"{'stored in':14}{', '.join(there)}")]
        lines += record_lines(stored, transactions=True)
    return "\n".join(lines) + "\n"
