"""What every sink of the decision record must do: `conforms` in tests/conftest.py runs each check.

A sink's test passes a `Bench`, which makes sinks over one store that is empty at first:

    def test_the_sink_passes_every_check(conforms, bench) -> None:
        conforms(bench)
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
import numpy as np
import pytest

from customer_risk.model.features.input_warning import InputWarning
from customer_risk.serving.contract.answer import WirePattern, WireReason
from customer_risk.serving.record.outbox.record import Record, document, from_document, hash_names
from customer_risk.serving.record.sinks.interface import RecordRefused, Segment, Sink, SinkUnavailable

SOURCE = "0198a1b2c3d47e5f8a9b0c1d2e3f4a5b"
OTHER = "0198a1b2c3d47e5f8a9b0c1d2e3f4a5c"
_NAMES = ("n_transactions", "share_crypto", "days_since_last")
_START = int(dt.datetime(2026, 3, 4, 5, 6, 7, 80_900, tzinfo=dt.UTC).timestamp() * 1e6)


class Bench(Protocol):
    """A store for one test, and functions that make it fail."""

    def sink(self) -> Sink:
        """Return another sink over the same store, as a restarted process does."""

    def stored(self) -> Iterable[dict[str, Any]]:
        """Return every document in the store, in the order of `recorded_at`."""

    down: Callable[[], AbstractContextManager[object]]  # the store refuses or can't be reached
    lost: Callable[[], AbstractContextManager[object]]  # the store executes a request, but its response is lost
    spoil: Callable[[dict[str, Any]], dict[str, Any]]  # change a document so that the store never accepts it


def record(number: int, **changes: Any) -> Record:
    """Return the decision's record of a number; each is a second later than that of the number before."""
    given = {
        "code": "CRYPTO",
        "text": "Überweisungen an Krypto-Börsen \N{EURO SIGN} \"'\\",
        "direction": "raises",
        "feature": "share_crypto",
        "value": None if number % 2 else 0.1 + number,
        "unit": "share",
        "contribution": None if number % 3 else 1 / 3,
        "share": 0.25,
        "investigator_text": "30 %\nof them",
    }
    reason = WireReason(**(dict.fromkeys(WireReason.__struct_fields__) | given))  # all fields, as in Parquet
    pattern = WirePattern(
        code="PASS_THROUGH",
        count=number,
        amount=1 / 3 + number,
        share=0.85,
        first_at="2026-01-02T03:04:05.000006Z",
        last_at="2026-01-03T03:04:05.000006Z",
        investigator_text='1,234 € that came in "left"\nagain',
    )
    made = Record(
        version=1,
        kind="decision",
        record_id=f"0198a1b2-c3d4-7e5f-8a9b-{number:012x}",
        at=_START + number * 1_000_000,
        took=740,
        route="/ai/v1/risk",
        caller="backoffice",
        trace="0af7651916cd43dd8448eb211c80319c" if number % 2 else "",
        customer_id=f"kunde-é-{number}",
        status=200,
        problem="",
        pointers=(),
        source="model",
        model="customer-risk",
        model_version="b" * 64,
        cpu="x86_64 avx2",
        probability=0.1 * (number % 10) + 1e-17,
        segment="high",
        action="review",
        reasons=(reason, reason) if number % 2 else (),
        warnings=(InputWarning("UNKNOWN_VALUE", "/profile/locale", "x"),) if number % 3 else (),
        names=hash_names(_NAMES),
        features=np.array([number, np.nan, 1 / 7], "<f8").tobytes(),
        encoded=b"\x02\0\0\0\xff\x00\xfe" if number % 2 else b"",
        history_complete=number % 5 != 0,
        patterns=(pattern, msgspec.structs.replace(pattern, code="NIGHT_BURST", share=None)) if number % 2 else (),
        action_rule=1 + number % 2,
        wordings=1 + number % 2,
    )
    return msgspec.structs.replace(made, **changes)


def refusal(number: int) -> Record:
    """Return the record of a refused request, with the fewest fields that a record can have."""
    return record(
        number,
        kind="refusal",
        took=-1,
        customer_id="",
        status=422,
        problem="invalid-input",
        pointers=("/profile/locale", "/transactions/3/amount"),
        source="",
        model="",
        model_version="",
        probability=None,
        segment="",
        action="",
        reasons=(),
        warnings=(),
        names="",
        features=b"",
        encoded=b"",
        patterns=(),
        action_rule=1,
        wordings=1,
    )


def document_of(made: Record) -> dict[str, Any]:
    """Return a record's document, made of JSON's types."""
    return msgspec.json.decode(msgspec.json.encode(document(made, _NAMES if made.names else ())))


def segment(first: int, last: int, *, source: str = SOURCE, without: Iterable[int] = ()) -> Segment:
    """Return the segment of some numbers' records; every fifth is a refusal."""
    seqs = [number for number in range(first, last + 1) if number not in without]
    documents = [document_of(refusal(number) if number % 5 == 0 else record(number)) for number in seqs]
    return Segment(source, first, last, documents, seqs if without else ())


def stores_what_it_is_given(bench: Bench) -> None:
    """Documents are read back complete and in order, from two segments and two outbox files."""
    sink = bench.sink()
    given = [segment(1, 6), segment(7, 7), segment(8, 9, source=OTHER)]
    place = sink.place()
    for each in given:
        place = sink.write(each, place)
    sink.close()
    assert list(bench.stored()) == [each for one in given for each in one.documents]


def gives_back_records(bench: Bench) -> None:
    """Stored documents can be read as the records that were written."""
    sink = bench.sink()
    sink.write(segment(1, 10), sink.place())
    sink.close()
    read = [from_document(each) for each in bench.stored()]
    assert [names for _, names in read] == [() if number % 5 == 0 else _NAMES for number in range(1, 11)]
    assert [made for made, _ in read] == [refusal(n) if n % 5 == 0 else record(n) for n in range(1, 11)]


def writes_a_repeated_plan_once(bench: Bench) -> None:
    """Repeating a segment with the same place has no effect, and returns the same place."""
    sink = bench.sink()
    place, given = sink.place(), segment(1, 3)
    after = sink.write(given, place)
    again = sink.write(given, place)
    sink.close()
    assert after == again
    assert list(bench.stored()) == list(given.documents)


def goes_on_after_a_crash_between_write_and_cursor(bench: Bench) -> None:
    """A restarted process that repeats the last plan and continues stores everything once."""
    dead = bench.sink()
    before = dead.write(segment(1, 3), dead.place())
    lost = dead.write(segment(4, 6), before)
    restarted = bench.sink()
    place = restarted.write(segment(4, 6), before)
    assert place == lost
    restarted.write(segment(7, 9), place)
    restarted.close()
    dead.close()
    assert list(bench.stored()) == list(segment(1, 9).documents)


def repeats_a_first_plan_after_a_crash(bench: Bench) -> None:
    """Another process may repeat the first write."""
    dead = bench.sink()
    place = dead.place()
    dead.write(segment(1, 3), place)
    restarted = bench.sink()
    restarted.write(segment(4, 5), restarted.write(segment(1, 3), place))
    restarted.close()
    dead.close()
    assert list(bench.stored()) == list(segment(1, 5).documents)


def goes_on_in_another_process(bench: Bench) -> None:
    """A place from one process is valid in the next process."""
    first = bench.sink()
    place = first.write(segment(1, 3), first.place())
    first.close()
    second = bench.sink()
    second.write(segment(4, 4), place)
    second.close()
    assert list(bench.stored()) == list(segment(1, 4).documents)


def leaves_numbers_out(bench: Bench) -> None:
    """A segment may lack any numbers, including its first and its last."""
    sink = bench.sink()
    given = segment(1, 6, without=(1, 4, 6))
    sink.write(given, sink.place())
    sink.close()
    assert list(bench.stored()) == list(given.documents)


def says_when_it_cannot_be_reached(bench: Bench) -> None:
    """While the store is down, a write raises SinkUnavailable; repeating it later stores it once."""
    sink = bench.sink()
    place = sink.write(segment(1, 2), sink.place())
    with bench.down():
        for _ in range(2):
            with pytest.raises(SinkUnavailable):
                sink.write(segment(3, 5), place)
    sink.write(segment(3, 5), place)
    sink.close()
    assert list(bench.stored()) == list(segment(1, 5).documents)


def writes_once_though_the_answer_is_lost(bench: Bench) -> None:
    """If the response to a write is lost, repeating the write stores it once."""
    sink = bench.sink()
    place = sink.place()
    with bench.lost(), pytest.raises(SinkUnavailable):
        sink.write(segment(1, 3), place)
    sink.write(segment(4, 4), sink.write(segment(1, 3), place))
    sink.close()
    assert list(bench.stored()) == list(segment(1, 4).documents)


def names_the_records_that_it_refuses(bench: Bench) -> None:
    """A record that the store can't accept is named, and nothing of its segment is stored until it is left out."""
    sink = bench.sink()
    place = sink.write(segment(1, 2), sink.place())
    sound = segment(3, 7, without=(4,))
    spoilt = [
        bench.spoil(each) if number == 6 else each for number, each in zip(sound.numbers, sound.documents, strict=True)
    ]
    with pytest.raises(RecordRefused) as refused:
        sink.write(dataclasses.replace(sound, documents=spoilt), place)
    assert refused.value.refused.keys() == {6}
    assert all(refused.value.refused.values())
    place = sink.write(segment(3, 7, without=(4, 6)), place)
    sink.write(segment(8, 8), place)
    sink.close()
    assert list(bench.stored()) == list(segment(1, 8, without=(4, 6)).documents)


def is_checked_before_use(bench: Bench) -> None:
    """A working store passes its check, also when the check is repeated."""
    sink = bench.sink()
    sink.check()
    sink.check()
    assert sink.name
    sink.close()
    assert list(bench.stored()) == []


CHECKS = (
    stores_what_it_is_given,
    gives_back_records,
    writes_a_repeated_plan_once,
    goes_on_after_a_crash_between_write_and_cursor,
    repeats_a_first_plan_after_a_crash,
    goes_on_in_another_process,
    leaves_numbers_out,
    says_when_it_cannot_be_reached,
    writes_once_though_the_answer_is_lost,
    names_the_records_that_it_refuses,
    is_checked_before_use,
)
