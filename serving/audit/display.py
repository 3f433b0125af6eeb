"""Records and replays in words and aligned columns, which a terminal and `grep` read alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES
from customer_risk.serving.audit.records import StoredRecord
from customer_risk.serving.audit.replay import Replayed
from customer_risk.serving.record.outbox.record import Record, document, rows_of, unpack, written

_LONGEST: Final = 60  # characters of a cell of what differs
_MOST_ROWS: Final = 50


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns of text, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_record(told: StoredRecord) -> None:
    """Print a record for a person."""
    record, read = told.record, document(told.record, told.names)
    rows = [
        ("decision" if record.kind == "decision" else "refusal", record.record_id),
        ("recorded at", written(record.at)),
        ("customer", record.customer_id),
        ("asked by", f"{record.caller} at {record.route}"),
        ("trace", record.trace),
        ("took", f"{record.took} us" if record.took >= 0 else ""),
        ("refused with", f"{record.status} {record.problem}" if record.problem else ""),
        ("bad fields", ", ".join(record.pointers)),
        ("decided by", f"{record.source}: {record.model} {record.model_version}" if record.source else ""),
        ("on", record.cpu),
        ("probability", "" if record.probability is None else repr(record.probability)),
        ("segment", record.segment),
        ("action", record.action),
        ("transactions", str(rows_of(record)) if record.encoded else ""),
        ("history", "" if record.history_complete else "cut"),
    ]
    for name, value in rows:
        if value:
            click.echo(f"{name:14}{value}")
    _tell_list("reasons", ("code", "direction", "share", "contribution", "investigator"), map(_reason, read["reasons"]))
    _tell_list("warnings", ("code", "at", "detail"), (tuple(each.values()) for each in read["warnings"]))
    _tell_list("features", ("feature", "value"), ((each["name"], _value(each["value"])) for each in read["features"]))


def print_transactions(record: Record) -> None:
    """Print the transactions that features were computed from; their ids are numbers by which repeats are told."""
    if not record.encoded:
        click.echo("\nNo transactions: features were given, or they were erased.")
        return
    encoded = unpack(record.encoded)
    words = (
        [_word(vocabulary, code) for code in column.tolist()]
        for vocabulary, column in ((STATES, encoded.state), (TYPES, encoded.type), (DIRECTIONS, encoded.direction))
    )
    times = ([_time(at) for at in column.tolist()] for column in (encoded.created, encoded.completed))
    rows = zip(
        map(str, encoded.ids.tolist()), *times, *words, (f"{amount:.2f}" for amount in encoded.amount), strict=True
    )
    _tell_list("transactions", ("id", "created", "completed", "state", "type", "direction", "amount"), rows)


def _word(vocabulary: Sequence[str], code: int) -> str:
    return vocabulary[code] if 0 <= code < len(vocabulary) else "another"


def _time(at: int) -> str:
    return "" if at == NEVER else written(at)


def print_replays(replays: Iterable[Replayed]) -> Counter[str]:
    """Print what differs and how many came out how; return the numbers by outcome."""
    counts: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[str, ...]] = []
    whys: Counter[str] = Counter()
    more = 0
    for each in replays:
        counts[each.outcome, each.standard or ""] += 1
        if each.why:
            whys[each.why] += 1
        for found in each.differences:
            if len(rows) < _MOST_ROWS:
                rows.append((each.record_id, found.field, _cell(found.recorded), _cell(found.computed)))
            else:
                more += 1
    if rows:
        print_table(("decision", "what differs", "recorded", "replayed"), rows)
        click.echo(f"and {more} more\n" if more else "")
    cells = [(outcome, standard, str(count)) for (outcome, standard), count in sorted(counts.items())]
    if cells:
        print_table(("outcome", "standard", "records"), cells)
    for why, count in whys.most_common():
        click.echo(f"not at hand: {why} ({count})")
    outcomes: Counter[str] = Counter()
    for (outcome, _), count in counts.items():
        outcomes[outcome] += count
    return outcomes


def _tell_list(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    listed = list(rows)
    if listed:
        click.echo(f"\n{title}")
        print_table(head, listed)


def _reason(reason: dict[str, Any]) -> tuple[str, ...]:
    share = reason.get("share")
    return (
        reason["code"],
        reason["direction"],
        "" if share is None else f"{share:.1%}",
        "" if reason.get("contribution") is None else f"{reason['contribution']:+.4f}",
        reason.get("investigator_text", ""),
    )


def _value(value: float | None) -> str:
    return "missing" if value is None else repr(value)


def _cell(value: object) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
