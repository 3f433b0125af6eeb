"""The responses of an application agree with the document: status, media type, headers, body."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.bulk.jobs.endpoints import PARQUET, JobsEndpoint
from customer_risk.serving.bulk.jobs.endpoints import PATH as JOBS
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.reload import ReloadState
from customer_risk.serving.decisions.switches import SwitchFile
from customer_risk.serving.errors import StoreUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.endpoints.admin import PATH as ADMIN
from customer_risk.serving.http.endpoints.admin import Admin
from customer_risk.serving.http.scoring_app import BATCH_PATH, RISK_PATH, Mount, ScoringApp
from customer_risk.serving.kserve.application import application
from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane
from customer_risk.serving.openapi import examples, render_document
from customer_risk.serving.store.file import FileStore
from customer_risk.serving.store.idempotency import Idempotency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2

DOCUMENT = json.loads(render_document("customer-risk"))
LINES = b"".join(json.dumps(each).encode() + b"\n" for each in (examples.RAW, examples.BAD))
INFER = "/v2/models/customer-risk/infer"
PREDICT = "/v1/models/customer-risk:predict"
NDJSON = {"content-type": "application/x-ndjson"}
KEY = {"idempotency-key": "k"}
NO_JOB = "01a3185c-50fa-7c11-9d0e-3d1f6f6f2a90"


class _Guard:
    """Admits callers as `ada`, with the scopes in the header, or all scopes without it."""

    def cached(self, authorization: str | None) -> Caller:
        return Caller("ada", frozenset((authorization or "score batch explain admin").split()))

    async def authenticate(self, authorization: str | None) -> Caller:
        return self.cached(authorization)


class _Down:
    """A store that doesn't respond."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        def refuse(*_: object, **__: object) -> None:
            raise StoreUnavailable

        return refuse


@dataclass
class Served:
    """The application with all its endpoints; each response is compared with the document."""

    scoring_app: ScoringApp
    jobs_client: JobRunner
    call: Callable[..., httpx2.Response]

    def __call__(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request, and compare the response."""
        response = self.call(self.scoring_app, method, path, **options)
        _compare(response, method, path.partition("?")[0])
        return response

    def submit(self) -> dict[str, Any]:
        """Submit two customers, one of whom is refused."""
        return dict(self("POST", JOBS, content=LINES, headers=NDJSON).json())


def _compare(response: httpx2.Response, method: str, path: str) -> None:
    (item,) = (
        item
        for template, item in DOCUMENT["paths"].items()
        if re.fullmatch(re.escape(template).replace(r"\{job_id\}", "[^/]+"), path)
    )
    operations = [item[method.lower()]] if method.lower() in item else list(item.values())
    for operation in operations:
        said = operation["responses"][str(response.status_code)]
        if "$ref" in said:
            said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
        content = said["content"][response.headers["content-type"].partition(";")[0]]
        assert all(name in response.headers for name, each in said.get("headers", {}).items() if each["required"])
        if response.headers["content-type"].endswith("json") and "ndjson" not in response.headers["content-type"]:
            schema = content["schema"] | {"components": DOCUMENT["components"]}
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(response.json())


@pytest.fixture
def store(tmp_path) -> Iterator[FileStore]:
    """A store in a file."""
    made = FileStore(str(tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def make(model, call, tmp_path) -> Callable[..., Served]:
    """Make an application on a store."""
    from kserve import ModelRepository

    def made(store: Any) -> Served:
        model.load()
        models = ModelRepository()
        models.update(model)
        service = model.service
        service._fallback = RuleFallback(load_rules(), "rules")
        repository, keys = JobRepository(store, lease_seconds=1), Idempotency(store)

        async def reload() -> None:
            return None

        admin = Admin(service, SwitchFile(tmp_path, service, reload), ReloadState)
        jobs = JobsEndpoint(JobSettings(most_bytes=100_000), lambda: repository, lambda: keys)
        exchange = Exchange(service, access=AccessControl(_Guard()))
        scoring_app = application(
            exchange,
            ModelDataPlane(models),
            FixedModels(models),
            endpoints={ADMIN: Mount(admin, "admin"), JOBS: Mount(jobs, "batch")},
            keys=lambda: keys,
        )
        runner = JobRunner(repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))
        return Served(scoring_app, runner, call)

    return made


@pytest.fixture
def served(make, store) -> Served:
    """An application with all its endpoints."""
    return make(store)


def test_a_job_is_as_described_in_each_state(served) -> None:
    """A job satisfies the schema while queued, done and listed; so does each line of its results."""
    job = served.submit()
    one = f"{JOBS}/{job['job_id']}"
    assert served("GET", f"{one}/results").status_code == 409
    assert served.jobs_client.work()
    done = served("GET", one).json()
    assert (done["state"], done["done"], done["failed"]) == ("done", 2, 1)
    assert served("GET", JOBS).json() == {"jobs": [done]}
    assert served("DELETE", one).json() == done
    schema = {"$ref": "#/components/schemas/BatchItem", "components": DOCUMENT["components"]}
    lines = served("GET", done["results"]).text.splitlines()
    assert [json.loads(each)["status"] for each in lines] == [200, 422]
    for line in lines:
        Draft202012Validator(schema).validate(json.loads(line))
    assert served("GET", f"{one}/results?format=parquet").headers["content-type"] == PARQUET


def test_a_cancelled_job_is_as_described(served) -> None:
    """A cancelled job satisfies the schema and has no results."""
    job = served.submit()
    cancelled = served("DELETE", f"{JOBS}/{job['job_id']}").json()
    assert (cancelled["state"], cancelled["results"]) == ("cancelled", None)


def test_a_failed_job_is_as_described(served) -> None:
    """A failed job has the problem of the example."""
    job = served("POST", JOBS, content=b"a,b\n1,2\n", headers={"content-type": "text/csv"}).json()
    served.jobs_client.work()
    failed = served("GET", f"{JOBS}/{job['job_id']}").json()
    shown = examples.JOBS["failed"]
    assert (failed["state"], failed["rows"], failed["problem"]) == ("failed", shown["rows"], shown["problem"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "state", None),
        ("POST", "rules", examples.FORCE),
        ("POST", "rules", examples.FORCE | {"force": False}),
        ("POST", "reload", examples.RELOAD),
    ],
)
def test_switches_answer_as_described(served, method, path, body) -> None:
    """Each switch returns the state with exactly the fields of the example."""
    shown = served(method, f"{ADMIN}/{path}", json=body).json()
    assert set(shown) == set(examples.STATES["model"])
    assert shown["rules_forced"] == bool(body and body.get("force"))
    assert shown["reload"].keys() == examples.STATES["model"]["reload"].keys()


@pytest.mark.parametrize("path", [RISK_PATH, BATCH_PATH])
def test_a_key_with_another_body_is_refused_as_described(served, path) -> None:
    """A key with another body is a conflict, for a decision and for a batch."""
    bodies = [{"requests": [examples.RAW] * count} for count in (1, 2)]
    if path == RISK_PATH:
        bodies = [examples.RAW, examples.COLUMNS]
    first, again, other = (served("POST", path, json=body, headers=KEY) for body in (bodies[0], *bodies))
    assert first.content == again.content
    assert other.status_code == 409


def test_inference_answers_as_its_example_shows(served) -> None:
    """V2 returns the tensors of the example, and the answer in them satisfies its schema."""
    answered = served("POST", INFER, json=examples.INFERENCE).json()

    def form(document: dict[str, Any]) -> tuple[Any, ...]:
        tensors = [(each["name"], each["shape"], each["datatype"]) for each in document["outputs"]]
        return (set(document), document["id"], document["model_name"], tensors)

    assert form(answered) == form(examples.INFERRED)
    schema = {"$ref": "#/components/schemas/WireAnswer", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(json.loads(answered["outputs"][3]["data"][0]))


def test_predictions_are_as_described(served) -> None:
    """KServe V1 returns an answer for each instance."""
    answered = served("POST", PREDICT, json={"instances": [examples.RAW, examples.COLUMNS]}).json()
    assert [each["customer_id"] for each in answered["predictions"]] == ["c-1", "c-1"]


_JSON = {"content-type": "application/json"}
_TEXT = {"content-type": "text/plain"}
_NOBODY = {"authorization": "nothing"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("PUT", JOBS, {}, 405),
        ("POST", f"{JOBS}/{NO_JOB}/results", {}, 405),
        ("GET", JOBS, {"headers": _NOBODY}, 403),
        ("POST", JOBS, {"content": b"x", "headers": _TEXT}, 415),
        ("POST", JOBS, {"content": b"{", "headers": _JSON}, 400),
        ("POST", JOBS, {"json": {"path": "/etc/passwd"}}, 422),
        ("POST", JOBS, {"content": b"\n" * 100_001, "headers": NDJSON}, 413),
        ("GET", f"{JOBS}/{NO_JOB}", {}, 404),
        ("DELETE", f"{JOBS}/{NO_JOB}", {}, 404),
        ("GET", f"{JOBS}/{NO_JOB}/results", {}, 404),
        ("POST", f"{ADMIN}/state", {}, 405),
        ("GET", f"{ADMIN}/rules", {}, 405),
        ("GET", f"{ADMIN}/reload", {}, 405),
        ("GET", f"{ADMIN}/state", {"headers": _NOBODY}, 403),
        ("POST", f"{ADMIN}/rules", {"content": b"{", "headers": _JSON}, 400),
        ("POST", f"{ADMIN}/rules", {"content": b" " * 20_000, "headers": _JSON}, 413),
        ("POST", f"{ADMIN}/rules", {"content": b"x", "headers": _TEXT}, 415),
        ("POST", f"{ADMIN}/rules", {"json": {"force": True}}, 422),
        ("GET", RISK_PATH, {}, 405),
        ("GET", BATCH_PATH, {}, 405),
        ("POST", BATCH_PATH, {"json": {"requests": [{}] * 1001}}, 413),
        ("POST", INFER, {"content": b"x", "headers": _TEXT}, 415),
        ("POST", INFER, {"json": {"inputs": []}}, 422),
    ],
)
def test_refusals_are_as_described(served, method, path, options, status) -> None:
    """Each operation lists the status of a refusal, with its headers and document."""
    assert served(method, path, **options).status_code == status


_CSV = {"content-type": "text/csv"}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-gzip", "GZIP", "gzip, identity"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (RISK_PATH, _JSON),
        (BATCH_PATH, _JSON),
        (JOBS, _JSON),
        (JOBS, NDJSON),
        (JOBS, _CSV),
        (JOBS, {"content-type": PARQUET}),
        (f"{ADMIN}/rules", _JSON),
        (f"{ADMIN}/reload", _JSON),
        (PREDICT, _JSON),
        (INFER, _JSON),
        (INFER, {"content-type": "application/octet-stream", "inference-header-content-length": "1"}),
    ],
)
def test_a_compressed_body_is_refused_as_described(served, path, headers, coding) -> None:
    """Every path that takes a body refuses one with a Content-Encoding, and says which encoding it accepts."""
    response = served("POST", path, content=gzip.compress(b"{}"), headers=headers | {"content-encoding": coding})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert response.json()["type"] == "urn:problem-type:customer-risk:encoded-body"
    assert "Content-Encoding" in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (RISK_PATH, examples.RAW, _JSON),
        (PREDICT, {"instances": [examples.RAW]}, _JSON),
        (INFER, examples.INFERENCE, _JSON),
        (JOBS, examples.RAW, NDJSON),
        (f"{ADMIN}/reload", examples.RELOAD, _JSON),
    ],
)
def test_identity_is_accepted(served, path, body, headers) -> None:
    """A body with `Content-Encoding: identity` is answered as one without the header."""
    content = json.dumps(body).encode()
    response = served("POST", path, content=content, headers=headers | {"content-encoding": "identity"})
    assert response.is_success, response.text


def test_a_body_of_administration_must_be_declared(served) -> None:
    """A switch refuses a body without a content type, which any web page can send."""
    content = json.dumps(examples.RELOAD).encode()
    assert served("POST", f"{ADMIN}/reload", content=content).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("POST", JOBS, {"content": LINES, "headers": NDJSON}),
        ("GET", JOBS, {}),
        ("GET", f"{JOBS}/{NO_JOB}", {}),
        ("DELETE", f"{JOBS}/{NO_JOB}", {}),
        ("GET", f"{JOBS}/{NO_JOB}/results", {}),
        ("POST", RISK_PATH, {"json": examples.RAW, "headers": KEY}),
        ("POST", BATCH_PATH, {"json": {"requests": [examples.RAW]}, "headers": KEY}),
    ],
)
def test_a_store_that_is_down_is_a_503_as_described(make, method, path, options) -> None:
    """A store that doesn't respond is a 503 with Retry-After."""
    assert make(_Down())(method, path, **options).status_code == 503
