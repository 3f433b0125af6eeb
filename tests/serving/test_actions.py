"""The action and the patterns of a customer are the same at every endpoint."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import io
import json
import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import msgspec
import numpy as np
import polars as pl
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.model.scoring.bundle import Bundle, load_bundle, make_scorer
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Format, Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.offload import MOST_ON_LOOP
from tests.action_rules import default_rule

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.scoring.action_rule import ActionRule
    from customer_risk.serving.decisions.service import Service

INFER = "/v2/models/customer-risk/infer"
BURST = "VELOCITY_BURST"
HIGH = Thresholds(medium=0.0, high=0.0)
MEDIUM = Thresholds(medium=0.0, high=1.0)
LOW = Thresholds(medium=1.0, high=1.0)
Told = tuple[str, Any]  # the action and the patterns
Ask = Callable[[dict[str, Any]], Told]


@pytest.fixture
def make(bundle: Path) -> Callable[..., Bundle]:
    """Make a bundle from the small real one with other thresholds and `rule`, or without a rule if it is None."""
    loaded = load_bundle(bundle, verify_golden=False)

    def made(thresholds: Thresholds = HIGH, rule: ActionRule | None = None) -> Bundle:
        rule_or_unset = msgspec.UNSET if rule is None else rule
        manifest = msgspec.structs.replace(loaded.manifest, thresholds=thresholds, action_rule=rule_or_unset)
        return dataclasses.replace(loaded, manifest=manifest, scorer=make_scorer(loaded.trees, manifest))

    return made


@pytest.fixture
def calm(request_) -> dict[str, Any]:
    """A customer whose transactions show no pattern."""
    return request_


@pytest.fixture
def hectic(request_) -> dict[str, Any]:
    """A customer with ten transactions within an hour."""
    row = request_["transactions"][0] | {"completed_at": None}
    rows = [row | {"id": f"b-{place}", "created_at": f"2024-08-27T10:3{place}:00Z"} for place in range(10)]
    return request_ | {"transactions": rows}


def _features(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the features that the service makes of its transactions."""
    basis = service.answer(json.dumps(request).encode()).basis
    values = [None if math.isnan(value) else value for value in basis.values.tolist()]
    return {"customer_id": request["customer_id"], "features": dict(zip(basis.names, values, strict=True))}


def _told(answer: dict[str, Any]) -> Told:
    return answer["action"], answer["patterns"]


@pytest.fixture
def entrances(app, model, call, service, jobs_repository, tmp_path, as_columns) -> dict[str, Ask]:  # noqa: C901, PLR0915  a function an entrance
    """Every endpoint as a function from a request to the action and the patterns of its answer."""
    model.load()
    service = model.service

    def posted(path: str, wrap: Callable[[dict[str, Any]], Any], unwrap: Callable[[Any], Any]) -> Ask:
        def ask(request: dict[str, Any]) -> Told:
            response = call(app, "POST", path, json=wrap(request))
            assert response.status_code == 200, response.text
            return _told(unwrap(response.json()))

        return ask

    def tensors(response: Any) -> dict[str, Any]:
        outputs = {each["name"]: each["data"][0] for each in response["outputs"]}
        answer = json.loads(outputs["answer"])
        assert outputs["action"] == answer["action"]
        return answer

    def text(request: dict[str, Any]) -> dict[str, Any]:
        return {"inputs": [{"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}]}

    def values(request: dict[str, Any]) -> list[float | None]:
        return [_features(service, request)["features"][name] for name in service.names()]

    def by_values(request: dict[str, Any]) -> dict[str, Any]:
        given = values(request)
        person = {"name": "customer_id", "datatype": "BYTES", "shape": [1], "data": [request["customer_id"]]}
        return {"inputs": [person, {"name": "features", "datatype": "FP64", "shape": [1, len(given)], "data": given}]}

    def binary(request: dict[str, Any]) -> Told:
        sent = json.dumps(request).encode()
        tail = struct.pack("<I", len(sent)) + sent
        tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(tail)}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
        response = call(app, "POST", INFER, content=head + tail, headers=headers)
        assert response.status_code == 200, response.text
        return _told(tensors(response.json()))

    def by_grpc(request: pb.ModelInferRequest) -> Told:
        async def run() -> Any:
            server = GrpcServer(Exchange(service), GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    return await stubs.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=600)
            finally:
                await server.stop()

        found = {each.name: each.contents.bytes_contents for each in asyncio.run(run()).outputs}
        answer = json.loads(found["answer"][0])
        assert found["action"][0].decode() == answer["action"]
        return _told(answer)

    def grpc_request(request: dict[str, Any]) -> Told:
        asked = pb.ModelInferRequest(model_name="customer-risk")
        tensor = asked.inputs.add(name="request", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(json.dumps(request).encode())
        return by_grpc(asked)

    def grpc_values(request: dict[str, Any]) -> Told:
        given = np.array(values(request), float)
        asked = pb.ModelInferRequest(model_name="customer-risk")
        person = asked.inputs.add(name="customer_id", datatype="BYTES", shape=[1])
        person.contents.bytes_contents.append(request["customer_id"].encode())
        tensor = asked.inputs.add(name="features", datatype="FP64", shape=[1, len(given)])
        tensor.contents.fp64_contents.extend(given)
        return by_grpc(asked)

    def job(form: Format, write: Callable[[dict[str, Any]], bytes]) -> Ask:
        def ask(request: dict[str, Any]) -> Told:
            jobs_repository.put_input("j", 0, write(request), seconds=3600)
            now = jobs_repository.clock()
            fields = {"job_id": "j", "caller": "a", "explain": True, "format": form, "rows": None, "pieces": 1}
            jobs_repository.add(Job(**fields, created=now, expires=now + 3600))
            runner = JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))
            while runner.work():
                pass
            (line,) = b"".join(jobs_repository.results(jobs_repository.get("j"))).splitlines()
            return _told(json.loads(line)["answer"])

        return ask

    def cells(request: dict[str, Any]) -> bytes:
        written = io.StringIO()
        csv.writer(written).writerows([["request"], [json.dumps(request)]])
        return written.getvalue().encode()

    def parquet(request: dict[str, Any]) -> bytes:
        written = io.BytesIO()
        pl.DataFrame([request], infer_schema_length=None).write_parquet(written)
        return written.getvalue()

    def flat(request: dict[str, Any]) -> bytes:
        given = _features(service, request)
        written = io.BytesIO()
        features = {name: pl.Series([value], dtype=pl.Float64) for name, value in given["features"].items()}
        pl.DataFrame({"customer_id": [given["customer_id"]], **features}).write_parquet(written)
        return written.getvalue()

    def table(write: Callable[[dict[str, Any]], bytes]) -> Ask:
        def ask(request: dict[str, Any]) -> Told:
            path = tmp_path / "input.parquet"
            path.write_bytes(write(request))
            scoring = Scoring(Exchange(service), explain=True, caller="batch", patience=Patience(1))
            with opened(path, service.names(), "input.parquet") as rows:
                ((line,),) = rows.lines(0)
            row, _ = scoring.line(line, Place("2026-03-01", "run", "plan", "part"), 0)
            return _told(json.loads(row))

        return ask

    def large(request: dict[str, Any]) -> dict[str, Any]:
        return request | {"unread": "x" * (2 * MOST_ON_LOOP)}

    def given(request: dict[str, Any]) -> dict[str, Any]:
        return _features(service, request)

    def in_columns(request: dict[str, Any]) -> dict[str, Any]:
        return request | {"transactions": as_columns(request["transactions"])}

    def same(value: Any) -> Any:
        return value

    def first(name: str) -> Callable[[Any], Any]:
        return lambda response: response[name][0]

    def ndjson(request: dict[str, Any]) -> bytes:
        return json.dumps(request).encode()

    risk, batch, v1 = "/ai/v1/risk", "/ai/v1/risk:batch", "/v1/models/customer-risk:predict"
    return {
        "risk": posted(risk, same, same),
        "risk, columns": posted(risk, in_columns, same),
        "risk, a large body": posted(risk, large, same),
        "batch": posted(batch, lambda each: {"requests": [each]}, lambda response: response["items"][0]["answer"]),
        "V1": posted(v1, lambda each: {"instances": [each]}, first("predictions")),
        "V2": posted(INFER, text, tensors),
        "V2, binary": binary,
        "gRPC": grpc_request,
        "job, NDJSON": job("ndjson", ndjson),
        "job, CSV": job("csv", cells),
        "job, Parquet": job("parquet", parquet),
        "table": table(parquet),
        "risk, features": posted(risk, given, same),
        "batch, features": posted(
            batch, lambda each: {"requests": [given(each)]}, lambda response: response["items"][0]["answer"]
        ),
        "V1, features": posted(v1, lambda each: {"instances": [given(each)]}, first("predictions")),
        "V2, features": posted(INFER, by_values, tensors),
        "gRPC, features": grpc_values,
        "job, features": job("ndjson", lambda each: ndjson(given(each))),
        "job, Parquet of features": job("parquet", flat),
        "table of features": table(flat),
    }


TRANSACTIONS = [
    "risk",
    "risk, columns",
    "risk, a large body",
    "batch",
    "V1",
    "V2",
    "V2, binary",
    "gRPC",
    "job, NDJSON",
    "job, CSV",
    "job, Parquet",
    "table",
]
FEATURES = [
    "risk, features",
    "batch, features",
    "V1, features",
    "V2, features",
    "gRPC, features",
    "job, features",
    "job, Parquet of features",
    "table of features",
]


def _unseen(entrance: str) -> list[Any] | None:
    """Return an endpoint's patterns if none can be seen: null, or [] in a table's repeated column."""
    return [] if entrance.startswith("table") else None


@pytest.mark.parametrize("entrance", TRANSACTIONS)
def test_a_high_customer_with_a_pattern_is_proposed_everywhere(entrances, model, make, hectic, entrance) -> None:
    """Every endpoint proposes off-boarding and gives the pattern with its count, amount and times."""
    model.service.use(make(rule=default_rule()))
    expected = list(msgspec.to_builtins(model.service.answer(json.dumps(hectic).encode()).decision.patterns))
    action, patterns = entrances[entrance](hectic)
    assert (action, patterns) == ("propose_off_boarding", expected)
    (found,) = [each for each in patterns if each["code"] == BURST]
    assert (found["count"], found["amount"], found["share"]) == (10, 135.0, None)
    assert (found["first_at"], found["last_at"]) == ("2024-08-27T10:30:00Z", "2024-08-27T10:39:00Z")
    assert found["investigator_text"]


@pytest.mark.parametrize("entrance", TRANSACTIONS)
def test_a_high_customer_without_a_pattern_is_reviewed_everywhere(entrances, model, make, calm, entrance) -> None:
    """A high customer without a pattern gets review at every endpoint."""
    model.service.use(make(rule=default_rule()))
    assert entrances[entrance](calm) == ("review", [])


@pytest.mark.parametrize("entrance", FEATURES)
def test_features_show_no_patterns_anywhere(entrances, model, make, hectic, entrance) -> None:
    """A high customer for whom features are given gets review."""
    model.service.use(make(rule=default_rule()))
    assert entrances[entrance](hectic) == ("review", _unseen(entrance))


@pytest.mark.parametrize("entrance", [*TRANSACTIONS, *FEATURES])
def test_a_bundle_without_a_rule_goes_by_the_segment_everywhere(entrances, model, make, hectic, entrance) -> None:
    """A bundle without an action rule gives no patterns and proposes every high customer."""
    model.service.use(make(rule=None))
    assert entrances[entrance](hectic) == ("propose_off_boarding", _unseen(entrance))


@pytest.mark.parametrize("entrance", [*TRANSACTIONS, *FEATURES])
def test_rules_see_no_patterns_anywhere(entrances, model, make, hectic, entrance) -> None:
    """Forced rules give no patterns and at most review."""
    model.service.use(make(rule=default_rule()))
    ask = entrances[entrance]
    model.service._fallback = RuleFallback(load_rules(), "rules")
    model.service.forced = True
    action, patterns = ask(hectic)
    assert action in {"none", "review"}
    assert patterns == _unseen(entrance)


@pytest.mark.parametrize(
    ("thresholds", "minimum", "action"),
    [
        (LOW, 1, "none"),
        (MEDIUM, 1, "review"),
        (HIGH, 1, "propose_off_boarding"),
        (HIGH, 2, "review"),
    ],
)
def test_the_segment_and_the_minimum_decide_the_action(service, make, hectic, thresholds, minimum, action) -> None:
    """Patterns are given in every segment, and change the action only in the segment high."""
    service.use(make(thresholds, default_rule(minimum)))
    decision = service.answer(json.dumps(hectic).encode()).decision
    assert (decision.action, [each.code for each in decision.patterns]) == (action, [BURST])
