"""The decision record in BigQuery, on an emulator that is stopped, killed and disconnected."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import socket
import threading
import time
from contextlib import contextmanager

import msgspec
import pytest
from google.cloud.bigquery import Table, TimePartitioning

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.table import Table as AuditTable
from customer_risk.serving.audit.table import check
from customer_risk.serving.record.outbox.record import ADDED, written
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.schema import COLUMNS, LABEL, VERSION
from customer_risk.serving.record.sinks.bigquery.setup import fields, init
from customer_risk.serving.record.sinks.bigquery.sink import BigQuerySink, Place
from customer_risk.serving.record.sinks.bigquery.views import views
from customer_risk.serving.record.sinks.interface import Segment, SinkUnavailable
from customer_risk.serving.record.sinks.settings import BigQuerySettings
from tests.serving.record import conformance as samples
from tests.system.asking import PATIENCE
from tests.system.gate import Gate

pytestmark = pytest.mark.system

BOUND = 120  # seconds at most for an append or for the first answer after an outage, on slow machines too


class Bench:
    """A bench over a table."""

    def __init__(self, server, dataset: str) -> None:
        self.server = server
        self.gate = Gate(server.grpc_endpoint)
        self.settings = BigQuerySettings(
            project="risk", dataset=dataset, endpoint=server.endpoint, grpc_endpoint=self.gate.endpoint
        )
        self._sinks = []
        self.slept = []

    def sink(self, **options) -> BigQuerySink:
        """Return another sink over the same table, which doesn't wait for pending appends."""
        self._sinks.append(BigQuerySink(self.settings, sleep=self.slept.append, **options))
        return self._sinks[-1]

    def ask(self, query: str) -> list[dict]:
        """Return the rows of a query, in which `{table}` is the table's name."""
        with self.client() as client:
            rows = client.query_and_wait(query.format(table=self.settings.path), retry=None, job_retry=None)
            return [dict(row) for row in rows]

    def make(self, columns=COLUMNS, *, version=VERSION, labels=None, partitioned="recorded_at") -> None:
        """Create the table as another release might have."""
        with self.client() as client:
            client.delete_table(self.settings.path)
            table = Table(self.settings.path, schema=fields(columns))
            table.labels = {LABEL: str(version)} if labels is None else labels
            if partitioned:
                table.time_partitioning = TimePartitioning(type_="DAY", field=partitioned)
            client.create_table(table)

    @contextmanager
    def client(self):
        """The client of the REST interface."""
        connections = Connections(self.settings)
        try:
            yield connections.rest
        finally:
            connections.close()

    def stored(self) -> list[dict]:
        """Return all documents."""
        rows = self.ask("SELECT * FROM `{table}` ORDER BY recorded_at")
        for row in rows:
            row["model"] = {"name": row.pop("model_name"), "version": row.pop("model_version")}
            row["recorded_at"] = written(round(row["recorded_at"].timestamp() * 1e6))
            row["encoded"] = base64.b64encode(row["encoded"]).decode()
        return rows

    def ids(self) -> list[str]:
        """Return the ids of all decisions, in order."""
        return [row["decision_id"] for row in self.ask("SELECT decision_id FROM `{table}` ORDER BY recorded_at")]

    def down(self):
        """Kill the server."""
        return self.server.killed()

    @contextmanager
    def lost(self):
        """Pass requests to the server, and drop the responses."""
        self.gate.deaf = True
        yield
        self.gate.deaf = False
        self.gate.cut()  # clients miss the dropped responses only when their connections end

    @staticmethod
    def spoil(document: dict) -> dict:
        """Add a field that the table doesn't have."""
        return document | {"nonsense": 1}

    def close(self) -> None:
        """Close all connections."""
        for each in self._sinks:
            each.close()
        self.gate.close()


@pytest.fixture
def bench(bigquery, request):
    """A table for one test."""
    made = Bench(bigquery, f"d{abs(hash(request.node.name))}")
    init(made.settings)
    yield made
    made.close()


def ids_of(*segments) -> list[str]:
    """Return the ids of segments' decisions."""
    return [each["decision_id"] for segment in segments for each in segment.documents]


def test_the_sink_passes_every_check(conforms, bench) -> None:
    """The table's sink passes all checks of a sink, with a killed server and lost responses."""
    conforms(bench)


def test_the_table_is_made_as_its_queries_need_it(bench) -> None:
    """The table has daily partitions that expire, and a version; a repeated `init` only makes views."""
    with bench.client() as client:
        table = client.get_table(bench.settings.path)
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "recorded_at")
    assert table.time_partitioning.expiration_ms == 1827 * 86_400_000
    assert table.labels["schema_version"] == str(VERSION)
    assert [(each.name, each.field_type, each.mode) for each in table.schema] == [
        (each.name, each.type, each.mode) for each in COLUMNS
    ]
    assert all(line.startswith("view ") for line in init(bench.settings))


def test_partitions_may_be_kept_for_longer(bench) -> None:
    """The setting is applied to a table that exists."""
    longer = msgspec.structs.replace(bench.settings, keep_days=3650)
    assert f"partitions of {longer.path} are kept for 3650 days" in init(longer)
    with bench.client() as client:
        assert client.get_table(longer.path).time_partitioning.expiration_ms == 3650 * 86_400_000


def test_an_older_table_is_migrated(bench) -> None:
    """An older table is refused until it is migrated; then it accepts records."""
    bench.make([each for each in COLUMNS if each.name not in {"cpu", "reasons"}], version=0)
    sink = bench.sink()
    with pytest.raises(ConfigError, match=r"older release.*audit init"):
        sink.check()
    assert f"table {bench.settings.path} migrated from version 0 to {VERSION}" in init(bench.settings)
    sink.check()
    sink.write(samples.segment(1, 3), sink.place())
    assert sorted(row["cpu"] for row in bench.stored()) == ["x86_64 avx2"] * 3


def test_rows_of_the_first_version_are_read_after_a_migration(bench) -> None:
    """Rows from before patterns and versions were recorded have the values that their release meant."""
    first = [each for each in COLUMNS if each.name not in ADDED]
    bench.make(first, version=1)
    names = ", ".join(each.name for each in first if each.mode == "REQUIRED")
    values = {"STRING": "'x'", "INTEGER": "1", "BYTES": "b''", "BOOLEAN": "TRUE", "TIMESTAMP": "CURRENT_TIMESTAMP()"}
    row = ", ".join(
        "'decision'" if each.name == "kind" else values[each.type] for each in first if each.mode == "REQUIRED"
    )
    bench.ask(f"INSERT INTO `{{table}}` ({names}) VALUES ({row})")  # noqa: S608  all of it ours
    read = AuditTable(bench.settings).find
    (before,) = read()
    assert check(bench.settings) == ((), 1, 0)
    init(bench.settings)
    assert check(bench.settings) == ((), 1, 0)
    (after,) = read()
    assert before == after
    assert {name: after[name] for name in ADDED} == ADDED


def _other(name: str, **changes):
    return [dataclasses.replace(each, **changes) if each.name == name else each for each in COLUMNS]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"version": VERSION + 1}, f"was made for version {VERSION + 1} of the record"),
        ({"columns": _other("took_us", type="STRING")}, "took_us is STRING and not INTEGER"),
        ({"columns": _other("pointers", mode="REQUIRED")}, "pointers is REQUIRED and not REPEATED"),
        ({"labels": {}}, "it wasn't made for the record"),
        ({"partitioned": ""}, "isn't partitioned by the day of recorded_at"),
    ],
    ids=["newer", "other type", "not repeated", "foreign", "not by day"],
)
def test_a_table_that_cannot_be_used_stays_as_it_is(bench, made, why) -> None:
    """A table that can't be used isn't changed, and the error says why."""
    bench.make(**made)
    with bench.client() as client:
        before = client.get_table(bench.settings.path).to_api_repr()
        with pytest.raises(ConfigError, match=why):
            init(bench.settings)
        assert client.get_table(bench.settings.path).to_api_repr() == before


def test_a_table_with_more_columns_is_accepted(bench) -> None:
    """A table with columns of a newer release accepts records."""
    bench.make([*COLUMNS, dataclasses.replace(COLUMNS[0], name="later", mode="NULLABLE")], version=VERSION + 1)
    sink = bench.sink()
    sink.check()
    sink.write(samples.segment(1, 2), sink.place())
    assert bench.ids() == ids_of(samples.segment(1, 2))


def test_a_missing_table_is_an_error_at_the_start(bench) -> None:
    """A missing table is an error that names the command to create it."""
    with bench.client() as client:
        client.delete_table(bench.settings.path)
    with pytest.raises(ConfigError, match=r"table .* is missing.*audit init"):
        bench.sink().check()


def test_missing_credentials_are_an_error_at_the_start(bench, monkeypatch, tmp_path) -> None:
    """Missing credentials are an error before any request."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    for each in ("endpoint", "grpc_endpoint"):
        with pytest.raises(ConfigError, match="there are no credentials"):
            BigQuerySink(msgspec.structs.replace(bench.settings, **{each: ""})).check()


def test_a_hanging_server_is_unavailable_soon(bench) -> None:
    """A server that hangs raises SinkUnavailable; repeating the write later stores it once."""
    sink = bench.sink()
    place = sink.write(samples.segment(1, 2), sink.place())
    with bench.server.hanging():
        began = time.monotonic()
        with pytest.raises(SinkUnavailable):
            sink.write(samples.segment(3, 4), place)
        assert time.monotonic() - began < BOUND
    sink.write(samples.segment(3, 4), place)
    assert bench.ids() == ids_of(samples.segment(1, 4))


@pytest.mark.parametrize("through", [0, 100, 5_000, 20_000])
def test_an_append_that_is_cut_leaves_nothing_or_all(bench, through) -> None:
    """Wherever an append's connection breaks, repeating it stores it once."""
    given = samples.segment(1, 60)
    sink = bench.sink()
    place = sink.place()
    bench.gate.left = through
    with pytest.raises(SinkUnavailable):
        sink.write(given, place)
    bench.gate.left = 1 << 62
    sink.write(samples.segment(61, 62), _patient(sink, given, place))
    assert bench.ids() == ids_of(samples.segment(1, 62))


def test_a_server_that_is_killed_amid_appends_has_each_record_once(bench) -> None:
    """After a kill between a segment's requests, the stream is unknown, and each record is stored once."""
    given = samples.segment(1, 400)
    sink = bench.sink(most_bytes=8_000)
    place = sink.place()
    killer = threading.Timer(0.1, bench.server.kill)
    killer.start()
    with pytest.raises(SinkUnavailable):
        _forever(sink, given, place)
    killer.join()
    bench.server.start()
    place = _patient(sink, given, place)
    _patient(sink, samples.segment(401, 402), place)
    assert bench.ids() == ids_of(samples.segment(1, 402))


def test_a_plan_is_repeated_on_a_stream_that_is_gone(bench) -> None:
    """A process that died after its append finds all rows, and continues in a new stream."""
    dead = bench.sink()
    before = dead.write(samples.segment(1, 2), dead.place())
    dead.write(samples.segment(3, 5), before)
    with bench.server.killed():
        pass
    restarted = bench.sink()
    place = _patient(restarted, samples.segment(3, 5), before)
    assert msgspec.json.decode(place)["stream"] != msgspec.json.decode(before)["stream"]
    restarted.write(samples.segment(6, 6), place)
    assert bench.ids() == ids_of(samples.segment(1, 6))


def test_a_death_during_the_change_of_stream_writes_nothing_twice(bench) -> None:
    """A process that died while it moved to a new stream writes nothing twice."""
    sink = bench.sink()
    place = sink.place()
    _finalize(bench, place)
    sink.write(samples.segment(1, 3), place)
    bench.sink().write(samples.segment(1, 3), place)
    assert bench.ids() == ids_of(samples.segment(1, 3))
    assert bench.slept == [5.0, 5.0]  # for requests of either that may still be under way


def test_a_failed_query_for_existing_rows_is_repeated(bench) -> None:
    """If the query for existing rows fails, nothing is written, and it is repeated."""
    sink = bench.sink()
    place = sink.place()
    sink.write(samples.segment(1, 2), place)
    _finalize(bench, place)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lonely = BigQuerySink(msgspec.structs.replace(bench.settings, endpoint=endpoint), sleep=bench.slept.append)
        began = time.monotonic()
        with pytest.raises(SinkUnavailable):
            lonely.write(samples.segment(1, 3), place)
        assert time.monotonic() - began < BOUND
        lonely.close()
    assert bench.ids() == ids_of(samples.segment(1, 2))
    sink.write(samples.segment(1, 3), place)
    assert bench.ids() == ids_of(samples.segment(1, 3))


def test_a_finalized_stream_is_followed_by_another(bench) -> None:
    """A finalized stream with a part of the segment is followed by a new stream."""
    sink = bench.sink()
    place = sink.place()
    sink.write(samples.segment(1, 2), place)
    _finalize(bench, place)
    sink.write(samples.segment(6, 6), sink.write(samples.segment(1, 5), place))
    assert bench.ids() == ids_of(samples.segment(1, 6))


def test_a_stream_that_lacks_rows_is_followed_by_another(bench) -> None:
    """A place beyond the stream's end leads to a new stream, since the table was created again."""
    sink = bench.sink()
    place = msgspec.json.encode(msgspec.json.decode(sink.place()) | {"offset": 7})
    sink.write(samples.segment(1, 2), place)
    assert bench.ids() == ids_of(samples.segment(1, 2))
    with pytest.raises(SinkUnavailable):  # requests to the old stream fail
        _append_late(bench, place, samples.segment(1, 2))
    assert bench.ids() == ids_of(samples.segment(1, 2))


def test_records_left_out_after_a_part_was_written_shift_no_others(bench) -> None:
    """If records are left out after the first attempt, the existing rows are queried."""
    sink = bench.sink()
    place = sink.place()
    sink.write(samples.segment(1, 4), place)
    sink.write(samples.segment(7, 7), sink.write(samples.segment(1, 6, without=(5,)), place))
    assert bench.ids() == ids_of(samples.segment(1, 7, without=(5,)))


def test_a_plan_divided_by_another_release_is_written_once(bench) -> None:
    """A plan of a release that divided rows into other requests is written once."""
    older, sink = bench.sink(most_bytes=3_000), bench.sink()
    place = older.place()
    older.write(samples.segment(1, 4), place)  # and died before the segment's next request
    sink.write(samples.segment(8, 8), sink.write(samples.segment(1, 7), place))
    assert bench.ids() == ids_of(samples.segment(1, 8))


def test_a_large_segment_is_divided(bench) -> None:
    """A large segment is divided into several requests, in order."""
    sink, given = bench.sink(), samples.segment(1, 20)
    for document in given.documents:
        document["encoded"] = base64.b64encode(bytes(1_000_000)).decode()
    place = sink.place()
    assert _written(sink, given, place) == _written(sink, given, place)
    assert bench.ids() == ids_of(given)


def _written(sink: BigQuerySink, given: Segment, place: str) -> str:
    """Write as the shipper does: repeat if 20 MB time out."""
    for _ in range(5):
        with contextlib.suppress(SinkUnavailable):
            return sink.write(given, place)
    return sink.write(given, place)


def test_views_answer_the_usual_questions(bench) -> None:
    """The views return each customer's latest decision, days, the mix, latency and warnings."""
    sink = bench.sink()
    place = sink.write(samples.segment(1, 9), sink.place())
    later = samples.segment(11, 11)
    later.documents[0]["customer_id"] = samples.record(1).customer_id
    sink.write(later, place)
    answers = {
        name.rpartition("_")[2]: bench.ask(f"SELECT * FROM `{name}`")  # noqa: S608  a name of ours
        for name in views(bench.settings.path)
    }
    assert len(answers["latest"]) == 8
    assert ids_of(later)[0] in {row["decision_id"] for row in answers["latest"]}
    (day,) = answers["day"]
    assert (day["segment"], day["decisions"], day["customers"]) == ("high", 9, 8)
    (mix,) = answers["mix"]
    assert (mix["action"], mix["decisions"], mix["share"]) == ("review", 9, 1.0)
    (latency,) = answers["latency"]
    assert (latency["route"], latency["p50_ms"], latency["max_ms"]) == ("/ai/v1/risk", 0.74, 0.74)
    (warned,) = answers["warnings"]
    assert (warned["code"], warned["decisions"]) == ("UNKNOWN_VALUE", 6)


def _patient(sink: BigQuerySink, segment, place: bytes) -> bytes:
    """Write as the shipper does: repeat until it succeeds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return sink.write(segment, place)
        except SinkUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _forever(sink: BigQuerySink, segment, place: bytes) -> None:
    while True:
        sink.write(segment, place)


def _finalize(bench: Bench, place: bytes) -> None:
    bench.sink()._finalize(msgspec.json.decode(place)["stream"])


def _append_late(bench: Bench, place: bytes, segment) -> None:
    """Append a segment's rows at a place, without a new stream."""
    sink = bench.sink()
    at = Place(msgspec.json.decode(place)["stream"], 0)
    if sink._append(at, sink._shape.rows(segment.documents)[0], segment.numbers, trusted=True) is None:
        raise SinkUnavailable("Lost.", remedy="None.")
