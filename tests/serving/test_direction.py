"""The direction of a transaction at every entrance: IN or OUT, and a refusal for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import RequestContext
from customer_risk.serving.store.file import FileStore

Fault = tuple[int, list[tuple[str, str]]]
Ask = Callable[[dict[str, Any]], Fault]
EXPECTED = 'expected "IN" or "OUT"; got '
ODD = [
    ("UP", "a string"),
    ("out", "a string"),
    (" OUT", "a string"),
    ("OTHER", "a string"),
    ("", "an empty string"),
    (None, "null"),
    (1, "1"),
]


def _fault(problem: dict[str, Any]) -> Fault:
    return problem["status"], [(each["pointer"], each["detail"]) for each in problem["errors"]]


def _parquet(requests: list[dict[str, Any]], path) -> None:
    lines = path.with_suffix(".ndjson")
    lines.write_text("\n".join(json.dumps(each) for each in requests))
    with duckdb.connect() as base:
        base.read_json(str(lines), convert_strings_to_integers=False).write_parquet(str(path))


@pytest.fixture
def entrances(app, model, call, tmp_path) -> dict[str, Ask]:  # noqa: C901  a function for each entrance
    """Every entrance as a function from a request to its refusal."""
    model.load()

    def http(path: str, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> Ask:
        return lambda request: _fault(call(app, "POST", path, json=wrap(request)).json())

    def batch(request: dict[str, Any]) -> Fault:
        good = json.loads(json.dumps(request))
        good["transactions"][0]["direction"] = "OUT"
        sent = {"requests": [good, request]}
        one, other = call(app, "POST", "/ai/v1/risk:batch", json=sent).json()["items"]
        assert one["status"] == 200
        return _fault(other["problem"])

    def columns(request: dict[str, Any]) -> Fault:
        rows = request["transactions"]
        sent = request | {"transactions": {name: [row[name] for row in rows] for name in rows[0]}}
        return _fault(call(app, "POST", "/ai/v1/risk", json=sent).json())

    def job(format_: str, content: Callable[[dict[str, Any]], bytes]) -> Ask:
        def ask(request: dict[str, Any]) -> Fault:
            with closing(FileStore(str(tmp_path / uuid4().hex))) as store:
                return work(JobRepository(store), content(request))

        def work(repository: JobRepository, content: bytes) -> Fault:
            now = repository.clock()
            repository.put_input("j", 0, content, seconds=60)
            fields = {"format": format_, "pieces": 1, "rows": None, "created": now, "expires": now + 60}
            repository.add(Job(job_id="j", caller="a", explain=False, **fields))
            assert JobRunner(repository, Exchange(model.service), lambda: False, settings=JobSettings()).work()
            (line,) = b"".join(repository.results(repository.get("j"))).splitlines()
            return _fault(json.loads(line)["problem"])

        return ask

    def csv(request: dict[str, Any]) -> bytes:
        return b'request\n"%b"\n' % json.dumps(request).replace('"', '""').encode()

    def parquet(request: dict[str, Any]) -> bytes:
        _parquet([request], tmp_path / "job.parquet")
        return (tmp_path / "job.parquet").read_bytes()

    def table(request: dict[str, Any]) -> Fault:
        _parquet([request], tmp_path / "table.parquet")
        with opened(tmp_path / "table.parquet", model.service.names(), "table.parquet") as rows:
            ((line,),) = rows.lines(0)
        refused = Exchange(model.service).answer(line, RequestContext("batch"))
        return refused.problem.status, [(each.pointer, each.detail) for each in refused.problem.errors]

    def text(request: dict[str, Any]) -> dict[str, Any]:
        tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}
        return {"inputs": [tensor]}

    return {
        "single": http("/ai/v1/risk", lambda request: request),
        "columns": columns,
        "batch": batch,
        "V1": http("/v1/models/customer-risk:predict", lambda request: {"instances": [request]}),
        "V2": http("/v2/models/customer-risk/infer", text),
        "NDJSON": job("ndjson", lambda request: json.dumps(request).encode()),
        "CSV": job("csv", csv),
        "Parquet": job("parquet", parquet),
        "table": table,
    }


PREFIXES = {"batch": "/requests/1", "V1": "/instances/0", "V2": "/inputs/0/data/0"}


@pytest.mark.parametrize("entrance", ["single", "columns", "batch", "V1", "V2", "NDJSON", "CSV", "Parquet", "table"])
def test_another_direction_is_refused_by_its_pointer(entrances, request_, entrance) -> None:
    """Only IN and OUT are directions; anything else, other cases, blanks and null included, is a 422."""
    place = "direction/0" if entrance == "columns" else "0/direction"
    pointer = f"{PREFIXES.get(entrance, '')}/transactions/{place}"
    for direction, got in ODD:
        if entrance in {"Parquet", "table"} and direction == 1:
            continue  # all values of a column have one type
        request_["transactions"][0]["direction"] = direction
        assert entrances[entrance](request_) == (422, [(pointer, EXPECTED + got)])


def test_an_unknown_state_or_type_is_still_taken_as_other(app, model, call, request_) -> None:
    """Categories may grow: an unknown one is answered, with a warning that points at it."""
    model.load()
    request_["transactions"][1] |= {"state": "LOST", "type": "TELEPATHY"}
    answer = call(app, "POST", "/ai/v1/risk", json=request_).json()
    assert [(each["code"], each["pointer"]) for each in answer["warnings"]] == [
        ("UNKNOWN_CATEGORY", "/transactions/1/state"),
        ("UNKNOWN_CATEGORY", "/transactions/1/type"),
    ]
