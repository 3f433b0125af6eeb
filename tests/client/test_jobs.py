"""Both clients' methods for jobs, against a server that follows a script."""

from __future__ import annotations

import json
import pickle

import pytest

from customer_risk.serving.openapi.examples import ANSWER, JOBS, REFUSED_ITEM
from customer_risk_client import JobError, RefusedError, UnreachableError

_JSON = "content-type: application/json"


@pytest.fixture
def state_of(reply):
    """Make a reply with a job in a state."""
    return lambda state, status=200: reply(status, json.dumps(JOBS[state] | {"job_id": "j/1"}).encode(), _JSON)


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [("ndjson", "application/x-ndjson"), ("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")],
)
def test_a_file_is_submitted_with_its_media_type(scripted, state_of, ask, tmp_path, format_, media_type) -> None:
    """The bytes of a file, given by its path or as they are, are sent with the media type of its format and a key."""
    file = tmp_path / "customers"
    file.write_bytes(b"rows")
    with scripted(*[state_of("queued", 202)] * 3) as server:
        jobs = [ask(server.url).submit(given, format_).job_id for given in (file, str(file), b"rows")]
    assert jobs == ["j/1"] * 3
    assert [each.body for each in server.saw] == [b"rows"] * 3
    seen = server.saw[0]
    assert seen.headers["content-type"] == media_type
    assert seen.headers["idempotency-key"]


@pytest.mark.parametrize("format_", ["json", "problem", "xlsx"])
def test_an_unknown_format_is_refused_before_sending(ask, format_) -> None:
    """The message lists the formats; a media type of another operation is not a format."""
    with pytest.raises(ValueError, match=f"'{format_}' is not a format .* Use one of ndjson, csv, parquet"):
        ask("http://127.0.0.1:9").submit(b"rows", format_)


def test_errors_can_be_pickled(scripted, state_of, ask) -> None:
    """An error of a worker process arrives with its job or its problem."""
    with scripted(state_of("failed")) as server, pytest.raises(JobError) as failed:
        ask(server.url).wait("j/1")
    refused = RefusedError(failed.value.job.problem)
    copies = [pickle.loads(pickle.dumps(error)) for error in (failed.value, refused)]  # noqa: S301  its own bytes
    assert [str(each) for each in copies] == [str(failed.value), str(refused)]
    assert (copies[0].job, copies[1].problem) == (failed.value.job, refused.problem)


@pytest.mark.parametrize("name", ["idempotency_key", "traceparent"])
def test_a_header_that_is_not_ascii_is_a_client_error(ask, name) -> None:
    """It isn't sent."""
    with pytest.raises(UnreachableError, match="The request can't be sent"):
        ask("http://127.0.0.1:9").submit(b"rows", **{name: "ключ"})


def test_a_submission_is_repeated_under_its_key(scripted, state_of, ask) -> None:
    """A repeated submission has the same key, so that a lost answer doesn't make two jobs."""
    with scripted(None, state_of("queued", 202)) as server:
        ask(server.url).submit(b"{}\n")
    first, second = server.saw
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_waiting_ends_when_the_job_is_done(scripted, state_of, ask) -> None:
    """Waiting asks until the job is done; a slash in an identifier is escaped in the path."""
    with scripted(state_of("queued"), state_of("running"), state_of("done")) as server:
        assert ask(server.url).wait("j/1", every=0.01).state == "done"
    assert [each.line for each in server.saw] == ["GET /ai/v1/risk/jobs/j%2F1 HTTP/1.1"] * 3


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_results_is_an_error(scripted, state_of, ask, state) -> None:
    """The error of a failed or cancelled job has the job."""
    with scripted(state_of(state)) as server, pytest.raises(JobError, match=state) as caught:
        ask(server.url).wait("j/1")
    assert caught.value.job.state == state


def test_a_failed_job_says_why(scripted, state_of, ask) -> None:
    """The message has the problem, and the job has the whole problem document."""
    with scripted(state_of("failed")) as server, pytest.raises(JobError, match="Some fields can't be used") as caught:
        ask(server.url).wait("j/1")
    assert caught.value.job.problem.status == 422


def test_the_progress_of_a_job_is_typed(scripted, state_of, ask) -> None:
    """A running job has counts, rate and times."""
    with scripted(state_of("running")) as server:
        job = ask(server.url).job("j/1")
    assert (job.rows, job.done, job.failed, job.rate, job.seconds_left) == (5000, 2000, 3, 800.0, 3.75)
    assert (job.problem, job.results, job.created_at) == (None, None, JOBS["running"]["created_at"])


def test_waiting_is_bounded(scripted, state_of, ask) -> None:
    """Waiting raises TimeoutError once the time is over, and doesn't cancel the job."""
    with scripted(state_of("running")) as server, pytest.raises(TimeoutError, match="running"):
        ask(server.url).wait("j/1", seconds=0.05, every=0.02)


def test_results_are_typed(scripted, reply, ask) -> None:
    """Each line of the results is an answer or a problem."""
    lines = [{"status": 200, "answer": ANSWER}, REFUSED_ITEM]
    body = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
    with scripted(reply(200, body, "content-type: application/x-ndjson")) as server:
        good, bad = ask(server.url).results("j/1")
    assert good.answer.segment == "high"
    assert bad.problem.errors[1].pointer == "/requests/1/transactions"
    assert server.saw[0].headers["accept"] == "application/x-ndjson"


def test_a_job_is_cancelled(scripted, state_of, ask) -> None:
    """Cancelling sends DELETE and returns the state of the job."""
    with scripted(state_of("cancelled")) as server:
        assert ask(server.url).cancel("j/1").over
    assert server.saw[0].line.startswith("DELETE ")


def test_another_callers_job_is_refused(scripted, reply, ask) -> None:
    """A response with status 404 raises RefusedError."""
    problem = {"type": "urn:x", "title": "No", "status": 404, "detail": "No such job."}
    gone = reply(404, json.dumps(problem).encode(), "content-type: application/problem+json")
    with scripted(gone) as server, pytest.raises(RefusedError, match="No such job"):
        ask(server.url).job("j/1")
