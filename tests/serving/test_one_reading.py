"""Every entrance reads a time and an odd JSON number in the same way, or refuses the same field."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customer_risk.model.errors import InputError
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.parsing import read_times
from customer_risk.model.tables.reading import read_table
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.serving.decisions.request_parser import RequestParser
from tests.serving.entrances import ENTRANCES, JSON_ENTRANCES, path_to, pointers
from tests.times import ONLY_IN_TABLES, TIMES, microseconds

TEXTS = (*TIMES, *ONLY_IN_TABLES)


@pytest.fixture
def read(entrances, monkeypatch):
    """Send requests to an entrance; return the microseconds of each first transaction, or the refused fields."""
    seen: dict[str, tuple[int, int]] = {}
    parse = RequestParser.read

    def keep(self: RequestParser, body: bytes, **options: Any) -> Any:
        parsed = parse(self, body, **options)
        if parsed.history is not None and len(parsed.history.created):
            seen[parsed.customer_id] = (int(parsed.history.created[0]), int(parsed.history.completed[0]))
        return parsed

    monkeypatch.setattr(RequestParser, "read", keep)

    def reading(request: dict[str, Any], outcome: dict[str, Any]) -> int | list[str]:
        if outcome["status"] != 200:
            return pointers(outcome)
        created, completed = seen.pop(request["customer_id"])
        assert created == completed
        return created

    def sent(entrance: str, requests: list[dict[str, Any]], outcomes: list[Any] | None = None) -> list[Any]:
        return list(map(reading, requests, entrances.send(entrance, requests) if outcomes is None else outcomes))

    return sent


@pytest.fixture
def requests(request_):
    """Return a function that makes a request for each value of the times of its first transaction."""

    def make(values: Any, *, alone: bool = False) -> list[dict[str, Any]]:
        first, *rest = request_["transactions"]
        rest = [] if alone else rest
        made = [[first | {"created_at": each, "completed_at": each}, *rest] for each in values]
        return [request_ | {"customer_id": f"c-{place}", "transactions": rows} for place, rows in enumerate(made)]

    return make


def _read_table(folder: Any, form: str, times: pl.Series) -> list[int | None]:
    """Return the microseconds that training reads from a table with these times, None for unreadable ones."""
    synthesize(folder, customers=20, seed=5, risk_rate=0.1, format="csv")
    path = folder / "transactions_labelled.csv"
    row = pl.read_csv(path, infer_schema=False).head(1)
    frame = pl.concat([row] * len(times)).with_columns(created_at=times, completed_at=times)
    if form == "CSV":
        frame.write_csv(path)
    else:
        path.unlink()
        frame.write_parquet(path.with_suffix(".parquet"))
    made = read_table(folder, "transactions", "labelled", Mapping())
    created = made.frame["created_at"].dt.epoch("us").to_list()
    assert made.frame["completed_at"].dt.epoch("us").to_list() == created
    assert made.unreadable.height == 2 * created.count(None)
    return created


def _differing(found: list[Any], wanted: list[Any]) -> dict[str, Any]:
    pairs = zip(TEXTS, found, wanted, strict=True)
    return {text[:100]: (each, expected) for text, each, expected in pairs if each != expected}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_every_entrance_of_requests_reads_a_time_alike(read, requests, entrance) -> None:
    """A text gives the same microseconds everywhere, or a 422 with the pointers of its fields, whatever its length."""
    fields = ("created_at", "completed_at")
    wanted = [
        [path_to(entrance, 0, name, place=place) for name in fields] if TIMES.get(text) is None else TIMES[text]
        for place, text in enumerate(TEXTS)
    ]
    assert _differing(read(entrance, requests(TEXTS)), wanted) == {}


@pytest.mark.parametrize("form", ["CSV", "Parquet"])
def test_tables_read_a_time_as_requests_do(tmp_path, form) -> None:
    """Tables give the same microseconds, and can't read what requests refuse, except times without a zone and alike."""
    wanted = [(TIMES | ONLY_IN_TABLES)[text] for text in TEXTS]
    assert _differing(_read_table(tmp_path, form, pl.Series(TEXTS)), wanted) == {}


HUGE = ("1e999", "-1E+400", "9" * 400 + ".5", "1" + "0" * 250 + "e99", "9" * 5000)
TEXT_ENTRANCES = [each for each in JSON_ENTRANCES if "columns" not in each and "large" not in each]


@pytest.mark.parametrize("entrance", TEXT_ENTRANCES)
def test_a_number_out_of_range_in_an_unread_field_is_ignored(read, requests, entrance) -> None:
    """Such a number is JSON: the request is answered, also if another field is repeated with a bad value first."""
    time, repeated = "2024-08-26T10:33:50Z", '<1, "history_complete": true>'
    odd = [{"unread": f"<{number}>", "history_complete": each} for number in HUGE for each in (True, repeated)]
    sent = [request | each for request, each in zip(requests([time] * len(odd)), odd, strict=True)]
    assert read(entrance, sent) == [microseconds(time)] * len(odd)


@pytest.mark.parametrize("entrance", JSON_ENTRANCES)
def test_a_number_out_of_range_in_a_read_field_is_a_bad_field(read, requests, entrance) -> None:
    """An amount that no float can hold is a bad field, never a body that isn't JSON."""
    sent = requests(["2024-08-26T10:33:50Z"] * len(HUGE))
    for request, number in zip(sent, HUGE, strict=True):
        request["transactions"][0]["amount"] = f"<{number}>"
    assert read(entrance, sent) == [[path_to(entrance, 0, "amount", place=place)] for place in range(len(HUGE))]


NANOSECONDS = {1_724_668_430_123_456_999: 1_724_668_430_123_456, -1: -1, -1_001: -2, -1_000: -1, 0: 0}


@pytest.mark.parametrize("entrance", ["job", "table", "table of training"])
@pytest.mark.parametrize(
    "kind",
    [
        pl.Datetime("ns"),
        pl.Datetime("ns", "UTC"),
        pl.Datetime("us"),
        pl.Datetime("us", "Asia/Tokyo"),
        pl.Datetime("ms"),
    ],
    ids=str,
)
def test_timestamps_of_parquet_are_cut_towards_the_past(entrances, read, requests, tmp_path, entrance, kind) -> None:
    """A timestamp is the last microsecond at or before it, before 1970 too; without a zone it is UTC."""
    moments = pl.Series(list(NANOSECONDS), dtype=pl.Int64).cast(pl.Datetime("ns"))
    if kind.time_zone:
        moments = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone)
    stamps = moments.cast(kind)
    expected = list(NANOSECONDS.values())
    if kind.time_unit == "ms":
        expected = [moment // 1000 * 1000 for moment in expected]
    if entrance == "table of training":
        assert _read_table(tmp_path, "Parquet", stamps) == expected
        return
    sent = requests(range(len(stamps)), alone=True)
    written, stamp = io.BytesIO(), pl.lit(stamps).alias
    first = pl.col("transactions").list.first().struct.with_fields(stamp("created_at"), stamp("completed_at"))
    pl.DataFrame(sent).with_columns(transactions=pl.concat_list(first)).write_parquet(written)
    content = written.getvalue()
    outcomes = entrances.job("parquet", content) if entrance == "job" else entrances.table(content)
    assert read(entrance, sent, outcomes) == expected


LIKELY = st.builds(
    "{}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.sampled_from(["0001", "1969", "1970", "2024", "9999"]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["T", "t", " ", "_"]),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 60),
    st.just("") | st.text("0123456789", max_size=45).map(lambda digits: "." + digits),
    st.sampled_from(["Z", "z", " UTC", "+00:00", "+0000", "-1130", "+23:59", "+24:00", "+00", ""]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LIKELY)
def test_any_time_is_read_alike(reader, request_, as_columns, text) -> None:
    """Rows, columns and tables give the microseconds of Python's datetime with decimals cut, or refuse the text."""
    rows = [{**request_["transactions"][0], "created_at": text, "completed_at": None}]
    expected = microseconds(text)
    for sent in (rows, as_columns(rows)):
        body = json.dumps(request_ | {"transactions": sent}).encode()
        if expected is None:
            with pytest.raises(InputError, match="created_at"):
                reader.read(body, now=0.0)
        else:
            history = reader.read(body, now=0.0).history
            assert (int(history.created[0]), int(history.completed[0])) == (expected, NEVER)
    if expected is not None or text[-1] in "Zz":
        assert read_times(pl.Series([text])).dt.epoch("us").item() == expected
