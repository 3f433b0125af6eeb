"""Writes all data that the record has on a person, for a request under article 15 of the GDPR."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from customer_risk.model.atomic import write_file
from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.display import input_of, record_lines
from customer_risk.serving.audit.options import Where, reading
from customer_risk.serving.audit.records import Records, StoredRecord
from customer_risk.serving.audit.terminal import printable, readable_json, say
from customer_risk.serving.record.outbox.record import ERASED, document

JSON: Final = "decisions.json"
TEXT: Final = "decisions.txt"
_ELSEWHERE: Final = (
    "Not searched: other pods' outboxes, the outbox's folders dead and quarantine, results of jobs and of table "
    "batches, answers kept for idempotency keys, backups."
)


@reading
def export(customer: str, where: Where, to: Path, key_files: tuple[Path, ...]) -> None:
    """Write all data that the record has on a customer, as JSON and as text."""
    if customer in {"", ERASED}:
        raise ConfigError(f"{customer!r} is not a customer's id.", remedy="Give the customer_id of the requests.")
    if to.exists():
        raise ConfigError(f"{to} exists.", remedy="Name a folder that doesn't exist yet.")
    ids = where.named(customer, key_files)
    read = [(each.where, Records([each])) for each in where.sources()]
    if where.outbox is not None:
        read.append((str(where.outbox), where.outbox_alone()))
    if not read:
        raise ConfigError("Nothing says where the record is.", remedy="Give --from, --outbox or --config.")
    found = _found(read, ids)
    where.log.note([told.record.record_id for told, _ in found], customers=ids)
    places = [name for name, _ in read]
    to.mkdir(parents=True, mode=0o700)
    write_file(to / JSON, _as_json(customer, ids, places, found).encode(), mode=0o600)
    write_file(to / TEXT, _as_text(customer, ids, places, found).encode(), mode=0o600)
    unreadable = sum(records.unreadable for _, records in read)
    say(f"Wrote {len(found)} decisions of {customer} from {', '.join(places)} to {to}.")
    say(_ELSEWHERE)
    if unreadable:
        raise ConfigError(
            f"{unreadable} records can't be read.", remedy=f"Read them by hand: they may be decisions on {customer}."
        )


def _found(read: Sequence[tuple[str, Records]], ids: Sequence[str]) -> list[tuple[StoredRecord, list[str]]]:
    """Return each record of a customer, in order of time, with the places that store it."""
    found: dict[str, tuple[StoredRecord, list[str]]] = {}
    for name, records in read:
        for told in records.since(customer_ids=ids):
            # A decision differs between places if one was altered: then both records are written.
            key = f"{told.record.record_id} {_text_of(told)}"
            found.setdefault(key, (told, []))[1].append(name)
    return sorted(found.values(), key=lambda each: (each[0].record.at, each[0].record.record_id))


def _text_of(told: StoredRecord) -> str:
    """Return a record's document as text, for comparing records of different places."""
    return readable_json(_without_nulls(document(told.record, told.names)))


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
        "not_looked_through": _ELSEWHERE,
        "decisions": [
            {
                "places": there,
                "record": document(told.record, told.names),
                "input": None if (given := input_of(told.record)) is None else given._asdict(),
            }
            for told, there in found
        ],
    }
    return readable_json(whole) + "\n"


def _as_text(
    customer: str, ids: Sequence[str], places: Sequence[str], found: Sequence[tuple[StoredRecord, list[str]]]
) -> str:
    lines = [
        printable(f"All decisions on the customer {customer} in {', '.join(places)}."),
        printable(f"Ids under which the record may have this customer: {', '.join(ids)}."),
        _ELSEWHERE,
        f"{len(found)} decisions.",
    ]
    for told, there in found:
        lines += ["", "=" * 100, printable(f"{'stored in':14}{', '.join(there)}")]
        lines += record_lines(told, transactions=True)
    return "\n".join(lines) + "\n"
