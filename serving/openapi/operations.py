"""The operations: parameters, bodies, responses and scopes of each path."""

from __future__ import annotations

import json
from typing import Any, Final

from customer_risk.model.errors import CustomerRiskError, InputError
from customer_risk.serving.auth.caller import Permission
from customer_risk.serving.contract.kserve_problem import is_of_kserve
from customer_risk.serving.errors import (
    BodyTooLarge,
    Conflict,
    EncodedBody,
    Forbidden,
    HeadTooLarge,
    Later,
    MalformedBody,
    NotFound,
    NotReady,
    NotServed,
    Overloaded,
    RequestTooSlow,
    TooManyRequests,
    Unauthenticated,
    UnknownModel,
    WrongMediaType,
    WrongMethod,
)
from customer_risk.serving.openapi import examples
from customer_risk.serving.openapi.plain import Schema
from customer_risk.serving.openapi.refusals import in_form_of_kserve, refusals_of
from customer_risk.serving.openapi.schemas import reference

JSON: Final = "application/json"
_FILE: Final = {"schema": {"type": "string", "format": "binary"}}  # bytes: a generated client sends them as they are
_TRACE: Final = {"$ref": "#/components/parameters/traceparent"}
_BINARY: Final = {"$ref": "#/components/parameters/jsonLength"}
_KEY: Final = {"$ref": "#/components/parameters/idempotencyKey"}
_OF_EVERY_CALL: Final = (Unauthenticated, Forbidden, RequestTooSlow, TooManyRequests, HeadTooLarge, Overloaded)
_OF_A_BODY: Final = (MalformedBody, BodyTooLarge, WrongMediaType, EncodedBody, InputError)

PARAMETERS: Final[dict[str, Any]] = {
    "traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "W3C trace context: log lines and records contain its trace id",
        "schema": {"type": "string"},
        "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    "idempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters of your choice: the same key with the same body returns "
        "the same decision again; with another body, a 409",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "4f0f6a52-0d0c-4b38-8f3e-7f5a6c0f4d11",
    },
    "jsonLength": {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "number of bytes of the JSON, if binary tensors follow it; responses have it as well",
        "schema": {"type": "integer", "minimum": 0},
    },
    "jobId": {
        "name": "job_id",
        "in": "path",
        "required": True,
        "description": "the job's identifier, from the response to its submission",
        "schema": {"type": "string"},
    },
}
TAGS: Final = (
    {"name": "risk", "description": "Decisions about customers."},
    {"name": "jobs", "description": "Files of customers, scored at lower priority."},
    {"name": "admin", "description": "Switches for the service's owners; each use is logged and recorded."},
    {"name": "kserve", "description": "KServe's protocols V1 and V2, with the same model and the same answers."},
    {"name": "probes", "description": "Liveness, readiness, metrics and counters."},
)


def make_paths(model: str) -> dict[str, Any]:
    """Return the description of every path of a server whose model is called `model`."""
    paths = {
        "/ai/v1/risk": {"post": _score()},
        "/ai/v1/risk:batch": {"post": _batch()},
        **_jobs(),
        **_admin(),
        **_kserve(model),
        **_probes(),
    }
    for operation in (each for path, item in paths.items() if is_of_kserve(path) for each in item.values()):
        operation["responses"] = in_form_of_kserve(operation["responses"])
    return paths


def _score() -> dict[str, Any]:
    return _operation(
        "score",
        "risk",
        "Decide about one customer",
        "Takes a profile with transactions (rows or columns), or features; never both. Unknown fields are "
        "ignored with a warning. Without the scope `explain` a reason has only its code, text and direction.",
        scope="score",
        parameters=[_KEY, _TRACE],
        body=_body(reference("RiskRequest"), examples.REQUESTS),
        answers=_answers("The decision.", reference("WireAnswer"), examples.ANSWERS),
        refused=(*_OF_A_BODY, WrongMethod, Conflict, NotReady),
    )


def _batch() -> dict[str, Any]:
    one = {"status": 200, "answer": examples.ANSWER}
    return _operation(
        "scoreBatch",
        "risk",
        "Decide about up to 1,000 customers",
        "Each request is answered or refused separately, in order; a refused one doesn't affect the others.",
        scope="score",
        parameters=[_KEY, _TRACE],
        body=_body(reference("BatchRequest"), {"two": {"requests": [examples.RAW, examples.BAD]}}),
        answers=_answers("The outcomes.", reference("BatchAnswer"), {"two": {"items": [one, examples.REFUSED_ITEM]}}),
        refused=(*_OF_A_BODY, WrongMethod, Conflict, NotReady),
    )


def _jobs() -> dict[str, Any]:
    job = reference("JobView")
    one = [{"$ref": "#/components/parameters/jobId"}, _TRACE]
    submit = _operation(
        "submitJob",
        "jobs",
        "Submit a file of customers",
        "NDJSON (a request in each line), CSV or Parquet; or a path that the deployment allows. The job runs at lower "
        "priority, survives restarts and expires.",
        scope="batch",
        parameters=[_KEY, _TRACE],
        body={
            "required": True,
            "content": {
                "application/x-ndjson": _FILE,
                "text/csv": _FILE,
                "application/vnd.apache.parquet": _FILE,
                JSON: _content(reference("JobPath"), {"path": {"path": "/data/customers.parquet"}}),
            },
        },
        answers=_answers("Accepted; see Location.", job, {"queued": examples.JOBS["queued"]}, 202),
        refused=(*_OF_A_BODY, WrongMethod, NotFound, Conflict, Later),
    )
    submit["responses"]["202"]["headers"] = {
        "Location": {"description": "URL of the job", "required": True, "schema": {"type": "string"}}
    }

    def of_one(name: str, summary: str, answers: dict[str, Any], *refused: type[CustomerRiskError]) -> dict[str, Any]:
        described = f"{summary}. Another caller's job is 404, except for administrators."
        return _operation(
            name,
            "jobs",
            summary,
            described,
            scope="batch",
            parameters=one,
            answers=answers,
            refused=(*refused, WrongMethod, NotFound, Later),
        )

    results = of_one("jobResults", "The outcomes in the input's order", {}, InputError, BodyTooLarge, Conflict)
    results["parameters"] = [
        *one,
        {
            "name": "format",
            "in": "query",
            "description": "instead of the header Accept",
            "schema": {"type": "string", "enum": ["ndjson", "parquet"], "default": "ndjson"},
        },
    ]
    results["responses"]["200"] = {
        "description": "One line for each request, in the form of `BatchItem`; or the same as Parquet.",
        "content": {
            "application/x-ndjson": {
                **_FILE,
                "examples": {"two": {"value": "".join(f"{json.dumps(each)}\n" for each in examples.RESULTS)}},
            },
            "application/vnd.apache.parquet": _FILE,
        },
    }
    listing = _operation(
        "listJobs",
        "jobs",
        "Your jobs",
        "Only the caller's own jobs.",
        scope="batch",
        parameters=[_TRACE],
        answers=_answers("The jobs.", reference("JobList"), {"two": examples.JOB_LIST}),
        refused=(WrongMethod, Later),
    )
    over = {name: examples.JOBS[name] for name in ("cancelled", "done")}
    cancelled = _answers("The job; a finished one doesn't change.", job, over)
    return {
        "/ai/v1/risk/jobs": {"post": submit, "get": listing},
        "/ai/v1/risk/jobs/{job_id}": {
            "get": of_one("job", "State of a job", _answers("The job.", job, examples.JOBS)),
            "delete": of_one("cancelJob", "Cancel a job", cancelled),
        },
        "/ai/v1/risk/jobs/{job_id}/results": {"get": results},
    }


def _admin() -> dict[str, Any]:
    state = reference("State")

    def use(name: str, summary: str, kind: str, asked: dict[str, Any], shown: str) -> dict[str, Any]:
        return _operation(
            name,
            "admin",
            summary,
            f"{summary}; logged and recorded. It applies to every worker and pod that shares the folder.",
            scope="admin",
            parameters=[_TRACE],
            body=_body(reference(kind), {"one": asked}),
            answers=_answers("Done; the new state.", state, {shown: examples.STATES[shown]}),
            refused=(*_OF_A_BODY, WrongMethod, Later),
        )

    look = _operation(
        "state",
        "admin",
        "State of the service",
        "The state of the process that answers.",
        scope="admin",
        parameters=[_TRACE],
        answers=_answers("The state.", state, examples.STATES),
        refused=(WrongMethod,),
    )
    force = use("forceRules", "Force rules on or off", "RulesSwitch", examples.FORCE, "rules")
    reload = use("reload", "Load the bundle's folder again", "ReloadOrder", examples.RELOAD, "model")
    return {
        "/ai/v1/admin/state": {"get": look},
        "/ai/v1/admin/rules": {"post": force},
        "/ai/v1/admin/reload": {"post": reload},
    }


def _kserve(model: str) -> dict[str, Any]:
    v1 = _operation(
        "predictV1",
        "kserve",
        "Decide by KServe V1",
        "Instances are requests of /ai/v1/risk; if one can't be used, the whole call is refused.",
        scope="score",
        parameters=[_TRACE],
        body=_body(reference("PredictRequest"), {"one": {"instances": [examples.RAW]}}),
        answers=_answers(
            "Answers in order.", reference("PredictResponse"), {"one": {"predictions": [examples.ANSWER]}}
        ),
        refused=(*_OF_A_BODY, UnknownModel, NotReady),
    )
    v2 = _operation(
        "inferV2",
        "kserve",
        "Decide by KServe V2",
        "Features as FP64 tensors, or requests as one BYTES tensor `request`; in answers by rules, "
        "the probability is NaN.",
        scope="score",
        parameters=[_TRACE],
        body=_body(reference("InferenceRequest"), {"requests": examples.INFERENCE}),
        answers=_answers("Tensors.", reference("InferenceResponse"), {"answers": examples.INFERRED}),
        refused=(*_OF_A_BODY, UnknownModel, NotServed, NotReady),
    )
    v2["parameters"] = [_BINARY, _TRACE]
    tensors = {"application/octet-stream": _FILE}
    v2["requestBody"]["content"] |= tensors
    v2["responses"]["200"]["content"] |= tensors
    return {
        f"/v1/models/{model}": {"get": _open("statusV1", "kserve", "Whether the model is ready", NotReady)},
        f"/v1/models/{model}:predict": {"post": v1},
        f"/v2/models/{model}": {"get": _open("metadataV2", "kserve", "Inputs and outputs of the model", NotReady)},
        f"/v2/models/{model}/infer": {"post": v2},
    }


def _probes() -> dict[str, Any]:
    counters = _operation(
        "counters",
        "probes",
        "Decisions since the server's start",
        "For monitors that look several times a second. A decision is counted within 0.1 seconds.",
        scope="monitor",
        parameters=[_TRACE],
        answers=_answers("The counts of all workers.", reference("Counters"), {"one": examples.COUNTERS}),
        refused=(WrongMethod,),
    )
    metrics = _open("metrics", "probes", "Metrics as Prometheus reads them")
    metrics["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": {"get": _open("alive", "probes", "Whether the process is alive")},
        "/v2/health/live": {"get": _open("liveV2", "probes", "Whether the process is alive")},
        "/v2/health/ready": {"get": _open("readyV2", "probes", "Whether requests should be sent here", NotReady)},
        "/metrics": {"get": metrics},
        "/ai/v1/counters": {"get": counters},
    }


def _open(name: str, tag: str, summary: str, *refused: type[CustomerRiskError]) -> dict[str, Any]:
    """Return the description of a GET that is open to everyone."""
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "Success.", "content": {JSON: {"schema": {"type": "object"}}}},
            **refusals_of(*refused),
        },
    }


def _operation(
    name: str,
    tag: str,
    summary: str,
    description: str,
    *,
    scope: Permission,
    parameters: list[dict[str, Any]],
    answers: dict[str, Any],
    refused: tuple[type[CustomerRiskError], ...],
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    operation = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "security": [{"bearer": [scope]}],
        "parameters": parameters,
        "responses": {**answers, **refusals_of(*_OF_EVERY_CALL, *refused)},
    }
    return operation | ({"requestBody": body} if body else {})


def _body(schema: Schema, shown: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    return {"required": True, "content": {media_type: _content(schema, shown)}}


def _answers(description: str, schema: Schema, shown: dict[str, Any], status: int = 200) -> dict[str, Any]:
    return {str(status): {"description": description, "content": {JSON: _content(schema, shown)}}}


def _content(schema: Schema, shown: dict[str, Any]) -> dict[str, Any]:
    examples_ = {name: {"value": value} for name, value in shown.items()}
    return {"schema": schema} | ({"examples": examples_} if examples_ else {})
