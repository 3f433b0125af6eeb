"""The client's side of jobs, against a server that plays a job's life."""

from __future__ import annotations

import json

import pytest

from customer_risk.serving.client import JobError, RefusedError
from customer_risk.serving.openapi.examples import ANSWER, JOBS, REFUSED_ITEM

_JSON = "content-type: application/json"


@pytest.fixture
def stands(reply):
    """Make a reply that says how a job stands."""
    return lambda state, status=200: reply(status, json.dumps(JOBS[state] | {"job_id": "j/1"}).encode(), _JSON)


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [
        ("ndjson", "application/x-ndjson"),
        ("csv", "text/csv"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
def test_a_file_is_submitted_as_what_it_is(misbehaving, stands, ask, tmp_path, format_, media_type) -> None:
    """Its bytes go out under the media type, with a key."""
    file = tmp_path / "customers"
    file.write_bytes(b"rows")
    with misbehaving(stands("queued", 202)) as server:
        assert ask(server.url).submit(file, format_).job_id == "j/1"
    (seen,) = server.saw
    assert seen.body == b"rows"
    assert seen.headers["content-type"] == media_type
    assert seen.headers["idempotency-key"]


def test_a_submission_is_repeated_under_its_key(misbehaving, stands, ask) -> None:
    """A lost answer doesn't make two jobs."""
    with misbehaving(None, stands("queued", 202)) as server:
        ask(server.url).submit(b"{}\n")
    first, second = server.saw
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_waiting_ends_when_the_job_is_done(misbehaving, stands, ask) -> None:
    """It asks until then; an identifier can't lead to another path."""
    with misbehaving(stands("queued"), stands("running"), stands("done")) as server:
        assert ask(server.url).wait("j/1", every=0.01).state == "done"
    assert [each.line for each in server.saw] == ["GET /ai/v1/risk/jobs/j%2F1 HTTP/1.1"] * 3


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_results_is_an_error(misbehaving, stands, ask, state) -> None:
    """The error holds how it stands."""
    with misbehaving(stands(state)) as server, pytest.raises(JobError, match=state) as caught:
        ask(server.url).wait("j/1")
    assert caught.value.job.state == state


def test_a_failed_job_says_why(misbehaving, stands, ask) -> None:
    """The problem stands in the message, and whole in the job."""
    with misbehaving(stands("failed")) as server, pytest.raises(JobError, match="Some fields can't be used") as caught:
        ask(server.url).wait("j/1")
    assert caught.value.job.problem.status == 422


def test_a_job_tells_how_far_it_is(misbehaving, stands, ask) -> None:
    """Counts, rate and times arrive typed."""
    with misbehaving(stands("running")) as server:
        job = ask(server.url).job("j/1")
    assert (job.rows, job.done, job.failed, job.rate, job.seconds_left) == (5000, 2000, 3, 800.0, 3.75)
    assert (job.problem, job.results, job.created_at) == (None, None, JOBS["running"]["created_at"])


def test_waiting_is_bounded(misbehaving, stands, ask) -> None:
    """A job that takes longer is left to itself."""
    with misbehaving(stands("running")) as server, pytest.raises(TimeoutError, match="running"):
        ask(server.url).wait("j/1", seconds=0.05, every=0.02)


def test_results_are_typed(misbehaving, reply, ask) -> None:
    """Each line is an answer or a problem."""
    lines = [{"status": 200, "answer": ANSWER}, REFUSED_ITEM]
    body = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
    with misbehaving(reply(200, body, "content-type: application/x-ndjson")) as server:
        good, bad = ask(server.url).results("j/1")
    assert good.answer.segment == "high"
    assert bad.problem.errors[1].pointer == "/requests/1/transactions"
    assert server.saw[0].headers["accept"] == "application/x-ndjson"


def test_a_job_is_cancelled(misbehaving, stands, ask) -> None:
    """DELETE says so, and gives how it stands."""
    with misbehaving(stands("cancelled")) as server:
        assert ask(server.url).cancel("j/1").over
    assert server.saw[0].line.startswith("DELETE ")


def test_another_callers_job_is_refused(misbehaving, reply, ask) -> None:
    """A 404 comes as a refusal."""
    problem = {"type": "urn:x", "title": "No", "status": 404, "detail": "No such job."}
    gone = reply(404, json.dumps(problem).encode(), "content-type: application/problem+json")
    with misbehaving(gone) as server, pytest.raises(RefusedError, match="No such job"):
        ask(server.url).job("j/1")
