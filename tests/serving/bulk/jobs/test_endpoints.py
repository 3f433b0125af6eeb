"""`/ai/v1/risk/jobs` over HTTP, without a worker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec
import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.bulk.jobs.endpoints import NDJSON, PARQUET, PATH, JobsEndpoint
from customer_risk.serving.bulk.jobs.types import JobSettings, JobView
from customer_risk.serving.contract.problem import document_of
from customer_risk.serving.http.body import ClientDisconnected
from customer_risk.serving.http.responses import Response, respond
from customer_risk.serving.store.idempotency import Idempotency

OTHER = Caller("other", frozenset(("batch",)))
OWNER = Caller("owner", frozenset(("admin", "batch")))
ONE = b'{"customer_id":"c-1"}\n'


@dataclass
class JobsClient:
    """Sends requests of callers to the endpoint, as the scoring app does."""

    jobs: JobsEndpoint
    call: object
    caller: Caller = LOCAL

    def __call__(self, method: str, path: str = "", *, caller: Caller = LOCAL, **options):
        """Send one request; an error becomes its problem document, as in the scoring app."""

        async def app(scope, receive, send) -> None:
            try:
                await self.jobs(scope, receive, send, caller)
            except Exception as error:  # noqa: BLE001  as the scoring app does
                kind, problem = document_of(error)
                await respond(send, Response(kind.status.value, msgspec.json.encode(problem)))

        return self.call(app, method, PATH + path, **options)

    def submit(self, content: bytes = ONE, kind: str = NDJSON, **options):
        """Submit a file."""
        headers = {"content-type": kind} | options.pop("headers", {})
        return self("POST", content=content, headers=headers, **options)


@pytest.fixture
def settings(tmp_path) -> JobSettings:
    """Jobs of at most 1,000 bytes, with one folder to read from."""
    (tmp_path / "in").mkdir()
    return JobSettings(most_bytes=1000, folders=(str(tmp_path / "in"),))


@pytest.fixture
def jobs_client(settings, jobs_store, jobs_repository, call) -> JobsClient:
    """The endpoint."""
    return JobsClient(JobsEndpoint(settings, lambda: jobs_repository, lambda: Idempotency(jobs_store)), call)


def test_a_file_becomes_a_job(jobs_client, jobs_repository) -> None:
    """A file is accepted with 202 and the URL of the job."""
    response = jobs_client.submit(ONE + b"\n" + ONE)
    shown = response.json()
    assert (response.status_code, shown["state"], shown["rows"]) == (202, "queued", 2)
    assert response.headers["location"] == f"{PATH}/{shown['job_id']}"
    assert jobs_client("GET", f"/{shown['job_id']}").json() == shown
    assert jobs_repository.open() == [shown["job_id"]]


@pytest.mark.parametrize(("kind", "format_"), [("text/csv; charset=utf-8", "csv"), (PARQUET, "parquet")])
def test_other_forms_count_their_rows_later(jobs_client, jobs_repository, kind, format_) -> None:
    """The rows of CSV and Parquet are unknown until the worker reads them."""
    shown = jobs_client.submit(b"customer_id\nc\n", kind).json()
    assert (shown["rows"], jobs_repository.get(shown["job_id"]).format) == (None, format_)


def test_a_key_makes_one_job(jobs_client, jobs_repository, jobs_store) -> None:
    """A repeated key returns the same job, and the input isn't stored twice."""
    first, again = (jobs_client.submit(headers={"idempotency-key": "k"}).json() for _ in range(2))
    assert first["job_id"] == again["job_id"]
    assert (len(jobs_repository.open()), len(jobs_store.keys("in/"))) == (1, 1)


def test_a_key_with_another_file_is_a_conflict(jobs_client, jobs_store) -> None:
    """A key with another file is a conflict, and nothing of the file is stored."""
    jobs_client.submit(headers={"idempotency-key": "k"})
    response = jobs_client.submit(ONE * 2, headers={"idempotency-key": "k"})
    assert (response.status_code, len(jobs_store.keys("in/"))) == (409, 1)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", NDJSON, 422),
        (b"\n \n", NDJSON, 422),
        (b"", "text/csv", 422),
        (ONE * 50, NDJSON, 413),
        (ONE, "text/plain", 415),
        (b'{"path":3}', "application/json", 422),
        (b'{"path":"x","more":1}', "application/json", 422),
        (b'{"path":"M\xfcller.csv"}', "application/json", 400),
        (b"{", "application/json", 400),
    ],
)
def test_a_refused_file_is_not_stored(jobs_client, jobs_store, content, kind, status) -> None:
    """A file that cannot be a job is refused, and nothing of it is stored."""
    assert jobs_client.submit(content, kind).status_code == status
    assert (jobs_store.keys("in/"), jobs_store.keys("job/")) == ([], [])


def test_an_incomplete_upload_is_not_stored(settings, jobs_repository, jobs_store) -> None:
    """An incomplete upload leaves nothing in the store."""
    import asyncio

    messages = iter(({"type": "http.request", "body": ONE, "more_body": True}, {"type": "http.disconnect"}))

    async def receive():
        return next(messages)

    scope = {"method": "POST", "path": PATH, "headers": [(b"content-type", NDJSON.encode())]}
    jobs = JobsEndpoint(settings, lambda: jobs_repository, lambda: Idempotency(jobs_store))
    with pytest.raises(ClientDisconnected):
        asyncio.run(jobs(scope, receive, None, LOCAL))
    assert jobs_store.keys("in/") == []


def named(path: Path | str) -> dict:
    """A request that names a file."""
    return {"content": json.dumps({"path": str(path)}).encode(), "kind": "application/json"}


def test_a_file_beneath_an_allowed_folder_is_read(jobs_client, tmp_path, jobs_repository) -> None:
    """A file in an allowed folder is read in the format of its suffix."""
    (tmp_path / "in" / "a.jsonl").write_bytes(ONE)
    shown = jobs_client.submit(**named(tmp_path / "in" / "a.jsonl")).json()
    assert (shown["rows"], jobs_repository.input(jobs_repository.get(shown["job_id"]), 0)) == (1, ONE)


def test_a_file_that_is_too_long_is_refused(jobs_client, tmp_path, jobs_store) -> None:
    """A file above the bound is refused, and nothing of it is stored."""
    (tmp_path / "in" / "a.csv").write_bytes(b"x" * 1001)
    assert jobs_client.submit(**named(tmp_path / "in" / "a.csv")).status_code == 413
    assert jobs_store.keys("in/") == []


@pytest.mark.parametrize("path", ["in/../b.csv", "in/link.csv", "in/none.csv", "in", "b.csv", "in/a.txt", "in/\0.csv"])
def test_no_other_file_is_read(jobs_client, tmp_path, path) -> None:
    """Paths and links to outside, folders, missing files and other suffixes get the same refusal."""
    for file in ("b.csv", "in/a.txt"):
        (tmp_path / file).write_bytes(b"customer_id\nc\n")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "b.csv")
    response = jobs_client.submit(**named(f"{tmp_path}/{path}"))
    assert response.json()["errors"] == [{"pointer": "/path", "detail": "isn't a file that this service may read"}]


def test_jobs_are_listed_for_their_caller(jobs_client) -> None:
    """The list has only the caller's own jobs."""
    mine = jobs_client.submit().json()["job_id"]
    jobs_client.submit(caller=OTHER)
    assert [job["job_id"] for job in jobs_client("GET").json()["jobs"]] == [mine]


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/results")])
def test_another_callers_job_is_not_found(jobs_client, method, rest) -> None:
    """Another caller's job is 404, except for an administrator."""
    mine = jobs_client.submit().json()["job_id"]
    assert jobs_client(method, f"/{mine}{rest}", caller=OTHER).status_code == 404
    assert jobs_client(method, f"/{mine}{rest}", caller=OWNER).status_code != 404


@pytest.mark.parametrize("path", ["/nothing", "/" + "0" * 36, "/a/b/c", "//"])
def test_an_unknown_job_or_path_is_not_found(jobs_client, path) -> None:
    """An unknown job or path is 404, and the refusal says where the jobs are listed."""
    assert jobs_client("GET", path).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("POST", "/x/results"), ("DELETE", "/x/results")])
def test_another_method_is_405_with_the_allowed_ones(jobs_client, method, path) -> None:
    """Another method is 405 with the allowed ones."""
    assert jobs_client(method, path).status_code == 405


def test_a_cancelled_job_stays_so(jobs_client, jobs_repository, jobs_store) -> None:
    """A cancelled job loses its input at once and stays cancelled."""
    job_id = jobs_client.submit().json()["job_id"]
    assert jobs_client("DELETE", f"/{job_id}").json()["state"] == "cancelled"
    assert jobs_client("GET", f"/{job_id}").json()["state"] == "cancelled"
    assert (jobs_repository.open(), jobs_store.keys("in/")) == ([], [])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("queued", "The job is queued. GET the job until it is done; then it has results."),
        ("running", "The job is running. GET the job until it is done; then it has results."),
        ("failed", "The job failed and has no results. Its problem says why: GET the job."),
        ("cancelled", "The job was cancelled and has no results. Send the file again."),
    ],
)
def test_missing_results_are_refused_with_the_jobs_state(jobs_client, jobs_repository, state, said) -> None:
    """The refusal says whether the job will have results."""
    job_id = jobs_client.submit().json()["job_id"]
    jobs_repository.change(job_id, state=state)
    response = jobs_client("GET", f"/{job_id}/results")
    assert (response.status_code, response.json()["detail"]) == (409, said)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_path_of_a_file_may_follow_a_byte_order_mark(jobs_client, tmp_path, mark) -> None:
    """A byte order mark before the body is ignored."""
    (tmp_path / "in" / "a.ndjson").write_bytes(ONE)
    body = mark + json.dumps({"path": str(tmp_path / "in" / "a.ndjson")})
    assert jobs_client.submit(body.encode(), "application/json").status_code == 202


@pytest.fixture
def done(jobs_client, jobs_repository) -> str:
    """A job with results in two pieces."""
    job_id = jobs_client.submit(ONE * 2).json()["job_id"]
    job = jobs_repository.change(job_id, next_piece=2)
    for place in range(2):
        jobs_repository.put_results(job, place, b'{"status":200,"answer":{"probability":0.%d}}\n' % place)
    jobs_repository.end(job_id, state="done")
    return job_id


def test_results_are_lines(jobs_client, done) -> None:
    """Results are lines in the order of the input by default."""
    response = jobs_client("GET", f"/{done}/results")
    assert response.headers["content-type"] == NDJSON
    assert [json.loads(line)["answer"]["probability"] for line in response.text.splitlines()] == [0.0, 0.1]


@pytest.mark.parametrize("asked", [{"params": {"format": "parquet"}}, {"headers": {"accept": PARQUET}}])
def test_results_are_parquet_on_request(jobs_client, done, tmp_path, asked) -> None:
    """Results are Parquet if the parameter or the header asks for it."""
    response = jobs_client("GET", f"/{done}/results", **asked)
    (tmp_path / "r.parquet").write_bytes(response.content)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "r.parquet")).select("answer.probability").fetchall()
    assert (response.headers["content-type"], found) == (PARQUET, [(0.0,), (0.1,)])


@pytest.mark.parametrize("asked", ["ndjson", "parquet"])
@pytest.mark.parametrize("lost", [0, 1])
def test_incomplete_results_are_refused(jobs_client, jobs_store, done, asked, lost) -> None:
    """If the store lost a part of a job's results, they get 404 instead of the other parts."""
    jobs_store.remove(f"out/{done}/{lost:08d}")
    assert jobs_client("GET", f"/{done}/results?format={asked}").status_code == 404


def test_results_with_explanations_need_the_scope(jobs_client, done) -> None:
    """Results with explanations need the scope `explain`, also for administrators."""
    assert jobs_client("GET", f"/{done}", caller=OWNER).status_code == 200
    assert jobs_client("GET", f"/{done}/results", caller=OWNER).status_code == 403


def test_an_unknown_form_of_results_is_refused(jobs_client, done) -> None:
    """An unknown format of results is refused by its name."""
    assert jobs_client("GET", f"/{done}/results?format=csv").json()["errors"][0]["pointer"] == "/format"


def test_a_view_has_the_fields_of_its_type(jobs_client) -> None:
    """The response has every field of the type, and no others."""
    assert msgspec.convert(jobs_client.submit().json(), JobView, strict=True)
