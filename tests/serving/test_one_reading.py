"""A time gives the same microseconds at every entrance, or is refused there by its name."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import grpc
import polars as pl
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.model.errors import InputError
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.parsing import read_times
from customer_risk.model.tables.reading import read_table
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Format, Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.decisions.request_parser import RequestParser
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.offload import MOST_ON_LOOP
from tests.times import ONLY_IN_TABLES, TIMES, microseconds

INFER = "/v2/models/customer-risk/infer"
TEXTS = (*TIMES, *ONLY_IN_TABLES)
# Microseconds, or the fields that were refused; an entrance of tables names none.
Reading = int | tuple[str, ...] | None
Entrance = Callable[[list[dict[str, Any]]], list[Reading]]


@pytest.fixture
def seen(monkeypatch) -> dict[str, tuple[int, int]]:
    """The microseconds of the first transaction's two times in each request that is read, by customer."""
    found: dict[str, tuple[int, int]] = {}
    read = RequestParser.read

    def keep(self: RequestParser, body: bytes, **options: Any) -> Any:
        parsed = read(self, body, **options)
        if parsed.history is not None and len(parsed.history.created):
            found[parsed.customer_id] = (int(parsed.history.created[0]), int(parsed.history.completed[0]))
        return parsed

    monkeypatch.setattr(RequestParser, "read", keep)
    return found


@pytest.fixture
def entrances(app, model, call, service, seen, jobs_repository, tmp_path, as_columns) -> dict[str, Entrance]:  # noqa: C901, PLR0915  one function an entrance
    """Functions that send requests to each entrance."""
    model.load()

    def outcome(request: dict[str, Any], errors: list[dict[str, str]] | None) -> Reading:
        if errors is not None:
            return tuple(each["pointer"] for each in errors)
        created, completed = seen.pop(request["customer_id"])
        assert created == completed
        return created

    def posted(path: str, wrap: Callable[[dict[str, Any]], Any]) -> Entrance:
        def send(request: dict[str, Any]) -> Reading:
            response = call(app, "POST", path, json=wrap(request))
            assert response.status_code in {200, 422}, response.text
            return outcome(request, response.json()["errors"] if response.status_code == 422 else None)

        return lambda requests: [send(each) for each in requests]

    def in_columns(request: dict[str, Any]) -> dict[str, Any]:
        return request | {"transactions": as_columns(request["transactions"])}

    def large(request: dict[str, Any]) -> dict[str, Any]:
        more = request["transactions"][1:] * (MOST_ON_LOOP // 200)
        return request | {"transactions": [request["transactions"][0], *more]}

    def v2(request: dict[str, Any]) -> dict[str, Any]:
        return {"inputs": [{"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}]}

    def batch(requests: list[dict[str, Any]]) -> list[Reading]:
        items = call(app, "POST", "/ai/v1/risk:batch", json={"requests": requests}).json()["items"]
        return [
            outcome(request, item["problem"]["errors"] if item["status"] == 422 else None)
            for request, item in zip(requests, items, strict=True)
        ]

    def by_grpc(requests: list[dict[str, Any]]) -> list[Reading]:
        async def one(stub: Any, request: dict[str, Any]) -> Reading:
            asked = pb.ModelInferRequest(model_name="customer-risk")
            tensor = asked.inputs.add(name="request", datatype="BYTES", shape=[1])
            tensor.contents.bytes_contents.append(json.dumps(request).encode())
            try:
                await stub.ModelInfer(asked, timeout=600)
            except grpc.RpcError as error:
                status, found = (
                    Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]),
                    BadRequest(),
                )
                for detail in status.details:
                    detail.Unpack(found)
                return outcome(request, [{"pointer": each.field} for each in found.field_violations])
            return outcome(request, None)

        async def run() -> list[Reading]:
            server = GrpcServer(Exchange(service), GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    stub = stubs.GRPCInferenceServiceStub(channel)
                    return [await one(stub, request) for request in requests]
            finally:
                await server.stop()

        return asyncio.run(run())

    def job(form: Format, write: Callable[[list[dict[str, Any]]], bytes]) -> Entrance:
        def send(requests: list[dict[str, Any]]) -> list[Reading]:
            jobs_repository.put_input("j", 0, write(requests), seconds=3600)
            now = jobs_repository.clock()
            fields = {"job_id": "j", "caller": "a", "explain": True, "format": form, "rows": None, "pieces": 1}
            jobs_repository.add(Job(**fields, created=now, expires=now + 3600))
            runner = JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))
            while runner.work():
                pass
            lines = b"".join(jobs_repository.results(jobs_repository.get("j"))).splitlines()
            results = [json.loads(line) for line in lines]
            return [
                outcome(request, each["problem"]["errors"] if each["status"] == 422 else None)
                for request, each in zip(requests, results, strict=True)
            ]

        return send

    def lines(requests: list[dict[str, Any]]) -> bytes:
        return b"".join(json.dumps(each).encode() + b"\n" for each in requests)

    def cells(requests: list[dict[str, Any]]) -> bytes:
        written = io.StringIO()
        csv.writer(written).writerows([["request"], *([json.dumps(each)] for each in requests)])
        return written.getvalue().encode()

    def parquet(requests: list[dict[str, Any]]) -> bytes:
        written = io.BytesIO()
        frame = pl.DataFrame(list(requests), infer_schema_length=None)
        if isinstance(requests, _Stamped):
            stamp = pl.lit(requests.stamps).alias
            first = pl.col("transactions").list.first().struct.with_fields(stamp("created_at"), stamp("completed_at"))
            frame = frame.with_columns(transactions=pl.concat_list(first))
        frame.write_parquet(written)
        return written.getvalue()

    def batch_table(requests: list[dict[str, Any]]) -> list[Reading]:
        path = tmp_path / "input.parquet"
        path.write_bytes(parquet(requests))
        scoring = Scoring(Exchange(service), explain=False, caller="batch", patience=Patience(1))
        with opened(path, (), "input.parquet") as rows:
            made = [
                json.loads(scoring.line(line, Place("2026-03-01", "run", "plan", "part"), 0)[0])
                for some in rows.lines(0)
                for line in some
            ]
        return [outcome(request, each.get("errors") or None) for request, each in zip(requests, made, strict=True)]

    def table(form: str) -> Entrance:
        def read(requests: list[dict[str, Any]]) -> list[Reading]:
            synthesize(tmp_path, customers=20, seed=5, risk_rate=0.1, format="csv")
            path = tmp_path / "transactions_labelled.csv"
            row = pl.read_csv(path, infer_schema=False).head(1)
            firsts = pl.DataFrame([each["transactions"][0] for each in requests])
            if isinstance(requests, _Stamped):
                firsts = pl.DataFrame({"created_at": requests.stamps, "completed_at": requests.stamps})
            frame = pl.concat([row] * len(requests)).with_columns(firsts["created_at"], firsts["completed_at"])
            if form == "csv":
                frame.write_csv(path)
            else:
                path.unlink()
                frame.write_parquet(path.with_suffix(".parquet"))
            made = read_table(tmp_path, "transactions", "labelled", Mapping())
            created = made.frame["created_at"].dt.epoch("us").to_list()
            assert made.frame["completed_at"].dt.epoch("us").to_list() == created
            assert made.unreadable.height == 2 * created.count(None)
            return created

        return read

    return {
        "risk": posted("/ai/v1/risk", lambda request: request),
        "risk, columns": posted("/ai/v1/risk", in_columns),
        "risk, a large body": posted("/ai/v1/risk", large),
        "risk, a large body of columns": posted("/ai/v1/risk", lambda request: in_columns(large(request))),
        "batch": batch,
        "V1": posted("/v1/models/customer-risk:predict", lambda request: {"instances": [request]}),
        "V2": posted(INFER, v2),
        "gRPC": by_grpc,
        "job, NDJSON": job("ndjson", lines),
        "job, CSV": job("csv", cells),
        "job, Parquet": job("parquet", parquet),
        "batch of tables": batch_table,
        "CSV table": table("csv"),
        "Parquet table": table("parquet"),
    }


@pytest.fixture
def requests(request_) -> Callable[[tuple[str, ...]], list[dict[str, Any]]]:
    """Return a function that makes a request of each text: the times of its first transaction."""

    def make(texts: tuple[str, ...]) -> list[dict[str, Any]]:
        first, *rest = request_["transactions"]
        return [
            request_
            | {
                "customer_id": f"c-{place}",
                "transactions": [first | {"created_at": text, "completed_at": text}, *rest],
            }
            for place, text in enumerate(texts)
        ]

    return make


ROW, COLUMN = "/transactions/0/{}", "/transactions/{}/0"


@pytest.mark.parametrize(
    ("entrance", "pointer"),
    [
        ("risk", ROW),
        ("risk, columns", COLUMN),
        ("risk, a large body", ROW),
        ("risk, a large body of columns", COLUMN),
        ("batch", "/requests/{place}" + ROW),
        ("V1", "/instances/0" + ROW),
        ("V2", "/inputs/0/data/0" + ROW),
        ("gRPC", "/inputs/0/data/0" + ROW),
        ("job, NDJSON", ROW),
        ("job, CSV", ROW),
        ("job, Parquet", ROW),
        ("batch of tables", ROW),
    ],
)
def test_every_entrance_of_requests_reads_a_time_alike(entrances, requests, entrance, pointer) -> None:
    """A text gives the same microseconds everywhere, or a 422 with the pointers of its fields, whatever its length."""
    found = entrances[entrance](requests(TEXTS))
    fields = [
        tuple(pointer.replace("{place}", str(place)).format(name) for name in ("created_at", "completed_at"))
        for place in range(len(TEXTS))
    ]
    expected = [TIMES.get(text) for text in TEXTS]
    wanted = [refused if moment is None else moment for moment, refused in zip(expected, fields, strict=True)]
    differing = {text[:100]: pair for text, *pair in zip(TEXTS, found, wanted, strict=True) if pair[0] != pair[1]}
    assert differing == {}


@pytest.mark.parametrize("entrance", ["CSV table", "Parquet table"])
def test_tables_read_a_time_as_requests_do(entrances, requests, entrance) -> None:
    """Tables give the same microseconds, and can't read what requests refuse, except times without a zone and alike."""
    found = entrances[entrance](requests(TEXTS))
    wanted = [(TIMES | ONLY_IN_TABLES)[text] for text in TEXTS]
    differing = {text[:100]: pair for text, *pair in zip(TEXTS, found, wanted, strict=True) if pair[0] != pair[1]}
    assert differing == {}


NANOSECONDS = {1_724_668_430_123_456_999: 1_724_668_430_123_456, -1: -1, -1_001: -2, -1_000: -1, 0: 0}


@pytest.mark.parametrize("entrance", ["job, Parquet", "batch of tables", "Parquet table"])
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
def test_timestamps_of_parquet_are_cut_towards_the_past(entrances, requests, entrance, kind) -> None:
    """A timestamp is the last microsecond at or before it, before 1970 too; without a zone it is UTC."""
    moments = pl.Series(list(NANOSECONDS), dtype=pl.Int64).cast(pl.Datetime("ns"))
    if kind.time_zone:
        moments = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone)
    stamps = moments.cast(kind)
    expected = list(NANOSECONDS.values())
    if kind.time_unit == "ms":
        expected = [moment // 1000 * 1000 for moment in expected]
    made = requests(tuple(map(str, NANOSECONDS)))
    for request, stamp in zip(made, range(len(stamps)), strict=True):
        request["transactions"] = [request["transactions"][0] | {"created_at": stamp, "completed_at": stamp}]
    assert entrances[entrance](_Stamped(made, stamps)) == expected


class _Stamped(list):
    """Requests with one transaction each, whose times are timestamps when they are written as Parquet."""

    def __init__(self, requests: list[dict[str, Any]], stamps: pl.Series) -> None:
        super().__init__(requests)
        self.stamps = stamps


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
