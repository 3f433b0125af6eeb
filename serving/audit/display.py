"""Records and replays as text in aligned columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from customer_risk.model.escaping import escape_line
from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.vocabulary import (
    DIRECTIONS,
    FIRST,
    KYC_STATES,
    MISSING,
    OCCUPATIONS,
    PROFILE,
    REASONS,
    SCREENING_STATES,
    STATES,
    TYPES,
    UNKNOWN_DAY,
    UNKNOWN_OFFSET,
)
from customer_risk.model.scoring.action_rule import BY_SEGMENT, WITH_PATTERNS
from customer_risk.model.terminal import echo
from customer_risk.serving.audit.records import StoredRecord
from customer_risk.serving.audit.replay import Replayed
from customer_risk.serving.record.outbox.record import Record, document, rows_of, unpack, written

_LONGEST: Final = 60  # characters of a cell in the table of differences
_MOST_ROWS: Final = 50
_DAY: Final = 86_400_000_000  # microseconds
_CATEGORIES: Final = {
    "reason_to_use_app": REASONS,
    "occupation": OCCUPATIONS,
    "kyc_state": KYC_STATES,
    "screening_state": SCREENING_STATES,
}
_ACTION_RULES: Final = {
    BY_SEGMENT: "the segment alone decides the action",
    WITH_PATTERNS: "off-boarding is proposed for High with enough transaction patterns",
}
_TRANSACTION: Final = ("id", "created", "completed", "state", "type", "direction", "amount")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns of text, each as wide as its widest cell."""
    _print(_table(head, rows))


def print_record(stored: StoredRecord, *, transactions: bool = False) -> None:
    """Print a record as text."""
    _print(record_lines(stored, transactions=transactions))


def record_lines(stored: StoredRecord, *, transactions: bool) -> Iterator[str]:
    """Yield the escaped lines of a record's text, with its profile and transactions if `transactions`."""
    record, read = stored.record, document(stored.record, stored.names)
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
        ("action rule", _action_rule(record)),
        ("wordings", f"version {record.wordings}" if record.kind == "decision" else ""),
        ("patterns", _no_patterns(record)),
        ("transactions", str(rows_of(record)) if record.encoded else ""),
        ("history", "" if record.history_complete else "cut"),
    ]
    for name, value in rows:
        if value:
            yield escape_line(f"{name:14}{value}")
    reasons = ("code", "direction", "share", "contribution", "investigator")
    yield from _list("reasons", reasons, map(_reason, read["reasons"]))
    patterns = ("code", "transactions", "EUR", "share", "first at", "last at", "investigator")
    yield from _list("patterns", patterns, map(_pattern, read["patterns"]))
    yield from _list("warnings", ("code", "at", "detail"), (tuple(each.values()) for each in read["warnings"]))
    features = ((each["name"], _value(each["value"])) for each in read["features"])
    yield from _list("features", ("feature", "value"), features)
    if transactions:
        yield from _transaction_lines(record)


class Input(NamedTuple):
    """The profile and the transactions that features were computed from, in words; empty if features were given.

    A transaction's id is a number; repeated transactions have the same. A missing field of the profile is empty.
    """

    profile: dict[str, str]
    transactions: list[dict[str, str]]


def input_of(record: Record) -> Input | None:
    """Return what a record's features were computed from, or None if that can't be read."""
    if not record.encoded:
        return Input({}, [])
    try:
        encoded = unpack(record.encoded)
        profile = zip(PROFILE, encoded.profile[0].tolist(), strict=True)
        return Input({name: _profile(name, code) for name, code in profile}, list(_transactions(encoded)))
    except (ValueError, OverflowError):
        return None


def _transactions(encoded: Encoded) -> Iterator[dict[str, str]]:
    words = (
        [_word(vocabulary, code) for code in column.tolist()]
        for vocabulary, column in ((STATES, encoded.state), (TYPES, encoded.type), (DIRECTIONS, encoded.direction))
    )
    times = ([_time(at) for at in column.tolist()] for column in (encoded.created, encoded.completed))
    rows = zip(
        map(str, encoded.ids.tolist()), *times, *words, (f"{amount:.2f}" for amount in encoded.amount), strict=True
    )
    return (dict(zip(_TRANSACTION, row, strict=True)) for row in rows)


def _profile(name: str, code: int) -> str:
    if name in _CATEGORIES:
        return "" if code == MISSING else _word(_CATEGORIES[name], code - FIRST)
    if name == "utc_offset":
        return "" if code == UNKNOWN_OFFSET else f"{code} minutes"
    if name == "birth_day":
        return "" if code == UNKNOWN_DAY else written(code * _DAY)[:10]
    return {0: "no", 1: "yes"}.get(code, "")


def _transaction_lines(record: Record) -> Iterator[str]:
    given = input_of(record)
    if given is None:
        yield ""
        yield "The transactions can't be read: the record was altered."
    elif not record.encoded:
        yield ""
        yield "No transactions: the request had features instead, or the transactions were erased."
    else:
        yield from _list("profile", ("field", "value"), [each for each in given.profile.items() if each[1]])
        yield from _list("transactions", _TRANSACTION, [tuple(each.values()) for each in given.transactions])


def _word(vocabulary: Sequence[str], code: int) -> str:
    return vocabulary[code] if 0 <= code < len(vocabulary) else "another"


def _time(at: int) -> str:
    return "" if at == NEVER else written(at)


def print_replays(replays: Iterable[Replayed]) -> Counter[str]:
    """Print the differences and the number of records by outcome; return these numbers."""
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
        echo(f"and {more} more" if more else "")
        if more:
            echo()
    cells = [(outcome, standard, str(count)) for (outcome, standard), count in sorted(counts.items())]
    if cells:
        print_table(("outcome", "standard", "records"), cells)
    for why, count in whys.most_common():
        echo(f"not replayed: {why} ({count})")
    outcomes: Counter[str] = Counter()
    for (outcome, _), count in counts.items():
        outcomes[outcome] += count
    return outcomes


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[escape_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _list(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    listed = list(rows)
    if listed:
        yield ""
        yield title
        yield from _table(head, listed)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)


def _reason(reason: dict[str, Any]) -> tuple[str, ...]:
    share = reason.get("share")
    return (
        reason["code"],
        reason["direction"],
        "" if share is None else f"{share:.1%}",
        "" if reason.get("contribution") is None else f"{reason['contribution']:+.4f}",
        reason.get("investigator_text", ""),
    )


def _pattern(pattern: dict[str, Any]) -> tuple[str, ...]:
    share, amount = pattern.get("share"), pattern.get("amount")
    return (
        pattern["code"],
        str(pattern.get("count", "")),
        "" if amount is None else f"{amount:,.2f}",
        "" if share is None else f"{share:.1%}",
        pattern.get("first_at", ""),
        pattern.get("last_at", ""),
        pattern.get("investigator_text", ""),
    )


def _action_rule(record: Record) -> str:
    if record.kind == "refusal":
        return ""
    if record.source == "rules":
        return "the fallback rules decide the action, without patterns"
    meaning = _ACTION_RULES.get(record.action_rule, "this install doesn't know this version")
    return f"version {record.action_rule}: {meaning}"


def _no_patterns(record: Record) -> str:
    """Return why a decision has no patterns; "" if it has patterns, or if its rule doesn't use patterns."""
    if record.kind == "refusal" or record.source == "rules" or record.action_rule == BY_SEGMENT or record.patterns:
        return ""
    if record.encoded:
        return "no pattern was found in the transactions"
    return "not looked for: features were given instead of transactions, or the transactions were erased"


def _value(value: float | None) -> str:
    return "missing" if value is None else repr(value)


def _cell(value: object) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
