"""No request can have the id that the record has for erased customers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.audit.options import hash_customer
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Job, JobSettings
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.contract.request import RESERVED_ID
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.offload import MOST_ON_LOOP
from customer_risk.serving.record.outbox.record import ERASED

INFER = "/v2/models/customer-risk/infer"


@pytest.fixture
def post(app, model, call) -> Callable[..., Any]:
    """Return a function that posts a document to the application, whose bundle is verified."""
    model.load()
    return lambda path, document: call(app, "POST", path, json=document)


def _errors(response: Any) -> list[str]:
    assert response.status_code == 422, response.text
    return [each["pointer"] for each in response.json()["errors"]]


def _texts(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]}


@pytest.fixture
def entrances(post, model, service, request_, jobs_repository) -> dict[str, Callable[[], list[str]]]:
    """Functions that send the reserved id to each entrance and return the pointers of the refused fields."""
    request = request_ | {"customer_id": "erased"}

    def large() -> list[str]:
        rows = request["transactions"] * (MOST_ON_LOOP // 200)
        return _errors(post("/ai/v1/risk", request | {"transactions": rows}))

    def batch() -> list[str]:
        (item,) = post("/ai/v1/risk:batch", {"requests": [request]}).json()["items"]
        assert item["problem"]["status"] == 422
        return [each["pointer"] for each in item["problem"]["errors"]]

    def v2_features() -> list[str]:
        width = len(model.service.names())
        features = {"name": "features", "datatype": "FP64", "shape": [1, width], "data": [0.0] * width}
        return _errors(post(INFER, {"inputs": [_texts("customer_id", "erased"), features]}))

    def by_grpc() -> list[str]:
        asked = pb.ModelInferRequest(model_name="customer-risk")
        tensor = asked.inputs.add(name="request", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(json.dumps(request).encode())

        async def run() -> bytes:
            server = GrpcServer(Exchange(service), GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    with pytest.raises(grpc.RpcError) as refused:
                        await stubs.GRPCInferenceServiceStub(channel).ModelInfer(asked, timeout=600)
            finally:
                await server.stop()
            return dict(refused.value.trailing_metadata())["grpc-status-details-bin"]

        status, found = Status.FromString(asyncio.run(run())), BadRequest()
        for detail in status.details:
            detail.Unpack(found)
        return [each.field for each in found.field_violations]

    def job() -> list[str]:
        jobs_repository.put_input("j", 0, json.dumps(request).encode() + b"\n", seconds=3600)
        now = jobs_repository.clock()
        given = {"job_id": "j", "caller": "a", "explain": True, "format": "ndjson", "rows": None, "pieces": 1}
        jobs_repository.add(Job(**given, created=now, expires=now + 3600))
        JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1)).work()
        (line,) = b"".join(jobs_repository.results(jobs_repository.get("j"))).splitlines()
        assert json.loads(line)["status"] == 422
        return [each["pointer"] for each in json.loads(line)["problem"]["errors"]]

    def table() -> list[str]:
        scoring = Scoring(Exchange(service), explain=False, caller="batch", patience=Patience(1))
        line, segment = scoring.line(json.dumps(request).encode(), Place("2026-03-01", "run", "plan", "part"), 0)
        assert segment == "refused"
        return [each["pointer"] for each in json.loads(line)["errors"]]

    return {
        "risk": lambda: _errors(post("/ai/v1/risk", request)),
        "risk, a large body": large,
        "batch": batch,
        "V1": lambda: _errors(post("/v1/models/customer-risk:predict", {"instances": [request]})),
        "V2, requests": lambda: _errors(post(INFER, {"inputs": [_texts("request", json.dumps(request))]})),
        "V2, features": v2_features,
        "gRPC": by_grpc,
        "a job": job,
        "a table": table,
    }


@pytest.mark.parametrize(
    ("entrance", "pointer"),
    [
        ("risk", "/customer_id"),
        ("risk, a large body", "/customer_id"),
        ("batch", "/requests/0/customer_id"),
        ("V1", "/instances/0/customer_id"),
        ("V2, requests", "/inputs/0/data/0/customer_id"),
        ("V2, features", "/inputs/0/data/0"),
        ("gRPC", "/inputs/0/data/0/customer_id"),
        ("a job", "/customer_id"),
        ("a table", "/customer_id"),
    ],
)
def test_no_entrance_takes_the_id_of_erased_customers(entrances, entrance, pointer) -> None:
    """Every entrance refuses the id of erased customers with 422 and names its field."""
    assert entrances[entrance]() == [pointer]


def test_the_reserved_id_is_what_erasures_write() -> None:
    """The reserved id is the one that erasures write, and is not a hash of an id."""
    assert RESERVED_ID == ERASED
    assert hash_customer(b"k" * 32, ERASED) != ERASED
    assert not ERASED.startswith("hmac-sha256:")


@pytest.mark.parametrize("customer_id", ["erased-1", "not erased", "Erased", "hmac-sha256:erased"])
def test_other_ids_are_taken(post, request_, customer_id) -> None:
    """Ids that only contain the reserved id, or differ in case, are accepted."""
    assert post("/ai/v1/risk", request_ | {"customer_id": customer_id}).status_code == 200
