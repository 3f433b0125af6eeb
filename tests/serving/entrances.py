"""Sends requests to every entrance of the service, and returns what each request gets."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import grpc
import polars as pl
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Format, Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.offload import MOST_ON_LOOP
from customer_risk.serving.store.file import FileStore

RISK, BATCH, PREDICT = "/ai/v1/risk", "/ai/v1/risk:batch", "/v1/models/customer-risk:predict"
INFER = "/v2/models/customer-risk/infer"
HEADERS: Final = {"content-type": "application/json"}
# The entrances that read a request's JSON, and the prefix of the pointers in their refusals.
JSON_ENTRANCES: Final = {
    "risk": "",
    "risk, columns": "",
    "risk, a large body": "",
    "risk, a large body of columns": "",
    "batch": "/requests/{place}",
    "V1": "/instances/0",
    "V2": "/inputs/0/data/0",
    "V2, binary": "/inputs/0/data/0",
    "gRPC": "/inputs/0/data/0",
    "job, NDJSON": "",
    "job, CSV": "",
}
ENTRANCES: Final = JSON_ENTRANCES | {"job, Parquet": "", "table": ""}

Document = dict[str, Any]
Outcome = Document  # a status, with an `answer` or a `problem`


def to_json(value: Any) -> str:
    """Write a value as JSON; a string such as "<1e999>" becomes the text between the angle brackets."""
    return re.sub(r'"<((?:[^"\\]|\\.)*)>"', lambda found: json.loads(f'"{found[1]}"'), json.dumps(value))


def pointers(outcome: Outcome) -> list[str]:
    """Return the pointers of a request that was refused for its fields."""
    assert outcome["status"] == 422, outcome
    return [each["pointer"] for each in outcome["problem"]["errors"]]


def path_to(entrance: str, row: int, field: str, *, place: int = 0) -> str:
    """Return the pointer to a field of a transaction, in the refusal of the request with the index `place`."""
    within = f"{field}/{row}" if "columns" in entrance else f"{row}/{field}"
    return f"{ENTRANCES[entrance]}/transactions/{within}".replace("{place}", str(place))


def in_columns(request: Document) -> Document:
    """Return the request with its transactions as columns."""
    rows = request["transactions"]
    return request | {"transactions": {name: [row[name] for row in rows] for name in rows[0]}}


def parquet(requests: Sequence[Document]) -> bytes:
    """Return a Parquet file with a row for each request."""
    written = io.BytesIO()
    pl.DataFrame(list(requests), infer_schema_length=None).write_parquet(written)
    return written.getvalue()


def texts(name: str, values: Sequence[str]) -> Document:
    """Return a V2 tensor of texts."""
    return {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": list(values)}


class Entrances:
    """Sends requests to the entrances of a service; `app` answers HTTP, and `folder` has the files."""

    def __init__(self, app: Any, service: Service, call: Callable[..., Any], folder: Path) -> None:
        self._app = app
        self._service = service
        self._call = call
        self._folder = folder

    def send(self, entrance: str, requests: Sequence[Document]) -> list[Outcome]:
        """Return the outcome of each request at an entrance."""
        if "columns" in entrance:
            requests = [in_columns(each) for each in requests]
        if "large" in entrance:
            requests = [each | {"unread": "x" * (2 * MOST_ON_LOOP)} for each in requests]
        one_by_one: dict[str, Callable[[Document], Outcome]] = {
            "risk": lambda each: self.post(RISK, each),
            "V1": lambda each: self.post(PREDICT, {"instances": [each]}, lambda body: body["predictions"][0]),
            "V2": lambda each: self.post(INFER, {"inputs": [texts("request", [to_json(each)])]}, of_tensors),
            "V2, binary": self._binary,
        }
        together: dict[str, Callable[[], list[Outcome]]] = {
            "batch": lambda: self.post(BATCH, {"requests": requests})["answer"]["items"],
            "gRPC": lambda: self.by_grpc(list(map(_grpc_request, requests))),
            "job, NDJSON": lambda: self.job("ndjson", "\n".join(map(to_json, requests)).encode()),
            "job, CSV": lambda: self.job("csv", cells([["request"], *([to_json(each)] for each in requests)])),
            "job, Parquet": lambda: self.job("parquet", parquet(requests)),
            "table": lambda: self.table(parquet(requests)),
        }
        if entrance in together:
            return together[entrance]()
        return list(map(one_by_one[entrance.partition(", ")[0] if "risk" in entrance else entrance], requests))

    def post(self, path: str, document: Any, answer: Callable[[Any], Any] = lambda body: body) -> Outcome:
        """Return the outcome of a document that is posted to a path; `answer` finds the answer in the response."""
        return _outcome(self._call(self._app, "POST", path, content=to_json(document), headers=HEADERS), answer)

    def _binary(self, request: Document) -> Outcome:
        sent = to_json(request).encode()
        tail = struct.pack("<I", len(sent)) + sent
        tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(tail)}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
        return _outcome(self._call(self._app, "POST", INFER, content=head + tail, headers=headers), of_tensors)

    def by_grpc(self, requests: Sequence[pb.ModelInferRequest]) -> list[Outcome]:
        """Return the outcomes of gRPC calls."""

        async def run() -> list[Outcome]:
            server = GrpcServer(Exchange(self._service), GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    infer = stubs.GRPCInferenceServiceStub(channel).ModelInfer
                    return [await _outcome_of_call(infer(each, timeout=600)) for each in requests]
            finally:
                await server.stop()

        return asyncio.run(run())

    def job(self, form: Format, content: bytes) -> list[Outcome]:
        """Return the outcomes of the rows of a job's file."""
        store = FileStore(str(self._folder / uuid4().hex))
        repository = JobRepository(store, lease_seconds=1)
        repository.put_input("j", 0, content, seconds=3600)
        now = repository.clock()
        fields = {"job_id": "j", "caller": "a", "explain": True, "format": form, "rows": None, "pieces": 1}
        repository.add(Job(**fields, created=now, expires=now + 3600))
        runner = JobRunner(repository, Exchange(self._service), lambda: False, settings=JobSettings(lease_seconds=1))
        while runner.work():
            pass
        lines = b"".join(repository.results(repository.get("j"))).splitlines()
        store.close()
        return [json.loads(line) for line in lines]

    def table(self, content: bytes) -> list[Outcome]:
        """Return the outcomes of the rows of a batch's Parquet file."""
        path = self._folder / f"{uuid4().hex}.parquet"
        path.write_bytes(content)
        scoring = Scoring(Exchange(self._service), explain=True, caller="batch", patience=Patience(1))
        place = Place("2026-03-01", "run", "plan", "part")
        with opened(path, self._service.names(), "input.parquet") as rows:
            made = [json.loads(scoring.line(line, place, 0)[0]) for some in rows.lines(0) for line in some]
        return [{"status": each["status"], "answer": each, "problem": each} for each in made]


def cells(rows: Sequence[Sequence[str]]) -> bytes:
    """Return a CSV file of rows."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def _outcome(response: Any, answer: Callable[[Any], Any]) -> Outcome:
    body = response.json()
    if response.status_code == 200:
        return {"status": 200, "answer": answer(body)}
    return {"status": response.status_code, "problem": body}


async def _outcome_of_call(call: Any) -> Outcome:
    try:
        outputs = {each.name: each.contents.bytes_contents for each in (await call).outputs}
    except grpc.RpcError as error:
        found = BadRequest()
        for detail in Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]).details:
            detail.Unpack(found)
        fields = [{"pointer": each.field, "detail": each.description} for each in found.field_violations]
        return {"status": json.loads(error.details())["status"], "problem": {"errors": fields}}
    answer = json.loads(outputs["answer"][0])
    assert outputs["action"][0].decode() == answer["action"]
    return {"status": 200, "answer": answer}


def of_tensors(body: Any) -> Any:
    """Return the answer in the tensors of a V2 response about one customer."""
    outputs = {each["name"]: each["data"][0] for each in body["outputs"]}
    answer = json.loads(outputs["answer"])
    assert outputs["action"] == answer["action"]
    return answer


def _grpc_request(request: Document) -> pb.ModelInferRequest:
    asked = pb.ModelInferRequest(model_name="customer-risk")
    tensor = asked.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(to_json(request).encode())
    return asked
