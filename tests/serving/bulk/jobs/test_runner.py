"""The worker of jobs, in this process and in a separate one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import msgspec
import pytest

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import JobRunner, WorkerConfig
from customer_risk.serving.bulk.jobs.types import Job, JobSettings, view
from customer_risk.serving.contract.answer import render
from customer_risk.serving.decisions.fallback.settings import RuleSettings
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import NotReady, StoreUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.store.settings import StoreSettings
from customer_risk.serving.telemetry.logs import LogSettings


@pytest.fixture
def put_up(jobs_repository):
    """Add a job; each argument has the lines of a piece."""

    def make(*pieces: bytes, **fields) -> str:
        now = jobs_repository.clock()
        given = {"job_id": "j", "caller": "a", "explain": True, "format": "ndjson", "rows": None}
        job = Job(**(given | {"pieces": len(pieces), "created": now, "expires": now + 3600} | fields))
        for place, piece in enumerate(pieces):
            jobs_repository.put_input(job.job_id, place, piece, seconds=3600)
        jobs_repository.add(job)
        return job.job_id

    return make


@pytest.fixture
def runner(jobs_repository, service) -> JobRunner:
    """A worker that is never stopped."""
    return JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))


def outcomes(repository, job_id: str) -> list[dict]:
    """The results, decoded."""
    return [json.loads(line) for line in b"".join(repository.results(repository.get(job_id))).splitlines()]


def line(request: dict, customer_id: str) -> bytes:
    """A request as a line."""
    return json.dumps(request | {"customer_id": customer_id}).encode() + b"\n"


def test_every_row_is_answered_or_refused_in_order(runner, jobs_repository, put_up, request_) -> None:
    """Each row is answered or refused, in order; a refused row does not affect the others."""
    job_id = put_up(line(request_, "a") + b"{nonsense\n", b'{"customer_id":3}\n' + line(request_, "b"))
    assert runner.work()
    job = jobs_repository.get(job_id)
    assert (job.state, job.rows, job.done, job.failed) == ("done", 4, 4, 2)
    found = outcomes(jobs_repository, job_id)
    assert [each["status"] for each in found] == [200, 400, 422, 200]
    assert [each["answer"]["customer_id"] for each in found if "answer" in each] == ["a", "b"]
    assert found[2]["problem"]["errors"][0]["pointer"] == "/customer_id"


@pytest.mark.parametrize("explain", [True, False])
def test_answers_are_those_of_a_request(runner, jobs_repository, put_up, request_, service, explain) -> None:
    """Answers equal those to single requests, with explanations if the caller may see them."""
    job_id = put_up(line(request_, "a"), explain=explain)
    runner.work()
    (found,) = outcomes(jobs_repository, job_id)
    asked = json.loads(msgspec.json.encode(render(service.answer(line(request_, "a")), explain=explain)))
    own = {"decision_id"}
    assert {k: v for k, v in found["answer"].items() if k not in own} == {
        k: v for k, v in asked.items() if k not in own
    }


def test_csv_is_turned_into_requests_first(runner, jobs_repository, put_up, service) -> None:
    """The rows of a CSV file become requests, and their number is then known."""
    header = ",".join(("customer_id", *service.names()))
    text = f"{header}\nc-1{',' * len(service.names())}\n".encode()
    job_id = put_up(text[:20], text[20:], format="csv")
    runner.work()
    job = jobs_repository.get(job_id)
    assert (job.state, job.rows, outcomes(jobs_repository, job_id)[0]["answer"]["customer_id"]) == ("done", 1, "c-1")


def _rows(tmp_path, format_: str) -> bytes:
    """Two customers, of whom the second has no id, with a bad feature and an unknown column."""
    rows = "SELECT 'c-1' AS customer_id, 1e300 AS age_years, 3 AS Remark UNION ALL SELECT NULL, 1e300, 3"
    if format_ == "ndjson":
        return b'{"customer_id": "c-1", "features": {"age_years": 1e300}}\n{"features": {"age_years": 1e300}}\n'
    path = tmp_path / f"rows.{format_}"
    with duckdb.connect() as base:
        base.execute(f"COPY ({rows}) TO '{path}' (FORMAT {format_})")
    return path.read_bytes()


@pytest.mark.parametrize("format_", ["ndjson", "csv", "parquet"])
def test_a_refused_row_names_its_customer(runner, jobs_repository, put_up, tmp_path, format_) -> None:
    """The result of a refused row has its customer_id, and none if the row has no valid one."""
    job_id = put_up(_rows(tmp_path, format_), format=format_)
    runner.work()
    found = outcomes(jobs_repository, job_id)
    assert [each["status"] for each in found] == [422, 422]
    assert [each.get("customer_id") for each in found] == ["c-1", None]


@pytest.mark.parametrize(("format_", "ignored"), [("ndjson", []), ("csv", ["Remark"]), ("parquet", ["Remark"])])
def test_a_job_lists_the_columns_that_it_ignores(runner, jobs_repository, put_up, tmp_path, format_, ignored) -> None:
    """The view of a job has the file's columns that aren't read."""
    job_id = put_up(_rows(tmp_path, format_), format=format_)
    runner.work()
    shown = json.loads(msgspec.json.encode(view(jobs_repository.get(job_id), "/jobs", now=0)))
    assert (shown["state"], shown["ignored"]) == ("done", ignored)


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_a_file_in_another_format_fails_the_job(runner, jobs_repository, jobs_store, put_up, format_) -> None:
    """A file in another format fails its job with a problem, without results."""
    job_id = put_up(b"\xff\xfe", format=format_)
    assert runner.work()
    job = jobs_repository.get(job_id)
    assert (job.state, job.problem.status) == ("failed", 422)
    assert (jobs_store.keys("in/"), jobs_store.keys("out/"), runner.work()) == ([], [], False)


def test_the_next_worker_continues_after_a_death(runner, jobs_repository, put_up, request_) -> None:
    """After a worker died, the next one continues with the piece that has no results."""
    job_id = put_up(line(request_, "a"), line(request_, "b"))
    job = jobs_repository.change(job_id, state="running", next_piece=1, done=1, started=jobs_repository.clock())
    jobs_repository.put_results(job, 0, b'{"status":200}\n')
    jobs_repository.put_results(job, 1, b"half of a li")
    runner.work()
    assert [each["status"] for each in outcomes(jobs_repository, job_id)] == [200, 200]
    assert jobs_repository.get(job_id).done == 2


def test_a_job_with_a_lease_is_not_taken(runner, jobs_repository, put_up, request_) -> None:
    """A job with another worker's lease is not taken until the lease expires."""
    put_up(line(request_, "a"))
    jobs_repository.take("j")
    assert not runner.work()
    time.sleep(1.05)
    assert runner.work()


def test_work_stops_between_two_pieces(jobs_repository, service, put_up, request_) -> None:
    """A worker that is stopped leaves the remaining pieces to the next worker."""
    put_up(line(request_, "a"), line(request_, "b"))
    JobRunner(
        jobs_repository,
        Exchange(service),
        lambda: jobs_repository.get("j").next_piece == 1,
        settings=JobSettings(lease_seconds=1),
    ).work()
    job = jobs_repository.get("j")
    assert (job.state, job.next_piece, jobs_repository.open()) == ("running", 1, ["j"])
    assert jobs_repository.take("j") is not None


def test_a_cancelled_job_stops_after_the_current_piece(jobs_repository, jobs_store, service, put_up, request_) -> None:
    """A job that is cancelled during a piece stops after it and leaves no data."""

    def cancel() -> bool:
        jobs_repository.end("j", state="cancelled")
        return False

    put_up(line(request_, "a"), line(request_, "b"))
    JobRunner(jobs_repository, Exchange(service), cancel, settings=JobSettings(lease_seconds=1)).work()
    assert (jobs_repository.get("j").state, jobs_repository.open(), jobs_store.keys("out/")) == ("cancelled", [], [])


def test_results_stored_after_a_cancellation_are_deleted(
    jobs_repository, jobs_store, put_up, request_, service
) -> None:
    """Results that are stored after a cancellation are deleted."""

    class Slow:
        """A service that takes time for each row."""

        def answer(self, body: bytes, *, at: str = ""):
            jobs_repository.end("j", state="cancelled")
            return service.answer(body, at=at)

    put_up(line(request_, "a"), line(request_, "b"))
    JobRunner(jobs_repository, Exchange(Slow()), lambda: False, settings=JobSettings(lease_seconds=1)).work()
    assert (jobs_repository.get("j").state, jobs_store.keys("in/"), jobs_store.keys("out/")) == ("cancelled", [], [])


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
def test_an_unexpected_fault_fails_only_its_job(jobs_repository, service, put_up, request_, format_, caplog) -> None:
    """The cause of an unexpected fault is logged and hidden from the caller; another caller's job is done."""

    class Poisoned(JobRepository):
        """A repository with one job that can't be read."""

        def input(self, job: Job, place: int) -> bytes | None:
            if job.job_id == "1":
                raise ZeroDivisionError("a secret")
            return super().input(job, place)

    repository = Poisoned(jobs_repository._store, lease_seconds=1)
    put_up(line(request_, "a"), job_id="1", format=format_)
    put_up(line(request_, "a"), job_id="2", caller="b")
    runner = JobRunner(repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))
    while runner.work():
        pass
    bad, good = repository.get("1"), repository.get("2")
    assert (bad.state, bad.problem.status, good.state) == ("failed", 500, "done")
    assert "secret" not in bad.problem.detail
    assert "a secret" in caplog.text


def test_a_job_that_cant_be_decoded_does_not_block_others(
    runner, jobs_repository, jobs_store, put_up, request_
) -> None:
    """A job that can't be decoded, such as one of a newer version, doesn't block other jobs."""
    put_up(line(request_, "a"), job_id="1")
    put_up(line(request_, "a"), job_id="2")
    jobs_store.put("job/1", b'{"state":"another"}', seconds=3600)
    while runner.work():
        pass
    assert jobs_repository.get("2").state == "done"
    assert [job.job_id for job in jobs_repository.of("a")] == ["2"]


@pytest.mark.parametrize("error", [NotReady("No model.", remedy="Wait."), StoreUnavailable()])
def test_a_job_that_must_wait_does_not_block_others(jobs_repository, service, put_up, request_, error) -> None:
    """A job that must wait stays queued, doesn't block other jobs, and isn't counted as having ended the worker."""

    class Waiting:
        """A service that answers all customers except one."""

        def answer(self, body: bytes, *, at: str = ""):
            if b'"wait"' in body:
                raise error
            return service.answer(body, at=at)

    put_up(line(request_, "wait"), job_id="1")
    put_up(line(request_, "a"), job_id="2")
    runner = JobRunner(jobs_repository, Exchange(Waiting()), lambda: False, settings=JobSettings(lease_seconds=1))
    assert runner.work()
    assert runner.work()
    assert not runner.work()
    waits, good = jobs_repository.get("1"), jobs_repository.get("2")
    assert (waits.state, waits.attempts, waits.done, good.state) == ("running", 0, 0, "done")


def test_a_job_without_enough_memory_goes_to_another_process_first(jobs_repository, service, put_up, request_) -> None:
    """A job whose memory runs out is done by the next process, before older jobs; if that also runs out, it fails."""

    class Hungry:
        """A service that runs out of memory for one customer a number of times."""

        times = 1

        def answer(self, body: bytes, *, at: str = ""):
            if b'"much"' in body and self.times:
                self.times -= 1
                raise MemoryError
            return service.answer(body, at=at)

    def another() -> JobRunner:
        return JobRunner(jobs_repository, Exchange(hungry), lambda: False, settings=JobSettings(lease_seconds=1))

    hungry = Hungry()
    put_up(line(request_, "much"), job_id="2")
    with pytest.raises(MemoryError):
        another().work()
    put_up(line(request_, "a"), job_id="1", caller="b")
    assert jobs_repository.get("2").state == "running"
    assert another().work()
    assert (jobs_repository.get("1").done, jobs_repository.get("2").state) == (0, "done")

    hungry.times = 2
    put_up(line(request_, "much"), job_id="3")
    runner = another()
    runner.work()
    with pytest.raises(MemoryError):
        runner.work()
    assert another().work()
    job = jobs_repository.get("3")
    assert (job.state, job.problem.status) == ("failed", 413)
    assert "jobs.most_memory_bytes" in job.problem.detail


def test_clients_take_turns(jobs_repository, service, put_up, request_) -> None:
    """With short turns, clients alternate after each piece; a client's own jobs are done in creation order."""
    pieces = [line(request_, str(place)) for place in range(3)]
    for job_id, caller in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "c")):
        put_up(*pieces, job_id=job_id, caller=caller)
    runner = JobRunner(
        jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=5), turn_seconds=0
    )
    seen = []
    while runner.work():
        seen.append({job_id: jobs_repository.get(job_id).next_piece for job_id in "1234"})
    assert seen[:6] == [
        {"1": 1, "2": 0, "3": 0, "4": 0},
        {"1": 1, "2": 0, "3": 1, "4": 0},
        {"1": 1, "2": 0, "3": 1, "4": 1},
        {"1": 2, "2": 0, "3": 1, "4": 1},
        {"1": 2, "2": 0, "3": 2, "4": 1},
        {"1": 2, "2": 0, "3": 2, "4": 2},
    ]
    for job_id in "1234":
        assert [each["answer"]["customer_id"] for each in outcomes(jobs_repository, job_id)] == ["0", "1", "2"]


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_turns_of_a_file_keep_the_order_of_rows(jobs_repository, service, put_up, tmp_path, format_) -> None:
    """Each row of a file gets one result, in order, whichever worker reads the next piece."""
    content = b"customer_id,age_years\n" + b"".join(b"c-%d,1\n" % place for place in range(1200))
    if format_ == "parquet":
        with duckdb.connect() as base:
            made = base.sql("SELECT 'c-' || range AS customer_id, 1 AS age_years FROM range(1200)")
            made.write_parquet(str(tmp_path / "x.parquet"))
        content = (tmp_path / "x.parquet").read_bytes()
    for job_id in "123":
        put_up(content, job_id=job_id, caller=job_id, format=format_)
    options = {"settings": JobSettings(lease_seconds=5), "turn_seconds": 0}
    runners = [JobRunner(jobs_repository, Exchange(service), lambda: False, **options) for _ in range(2)]
    while sum(runner.work() for runner in runners):
        pass
    for job_id in "123":
        job = jobs_repository.get(job_id)
        assert (job.state, job.rows, job.done, job.failed) == ("done", 1200, 1200, 1200)
        assert len(outcomes(jobs_repository, job_id)) == 1200


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (JobSettings(lease_seconds=1, most_rows=1), "most_rows"),
        (JobSettings(lease_seconds=1, most_read_bytes=40), "most_read_bytes"),
        (JobSettings(lease_seconds=1, most_result_bytes=100), "most_result_bytes"),
    ],
)
def test_a_job_beyond_a_bound_fails(jobs_repository, jobs_store, service, put_up, settings, said) -> None:
    """A job beyond a bound fails, its problem names the setting, and its input and results are deleted."""
    put_up(b"customer_id,age_years\nc,1\nd,2\n", format="csv")
    JobRunner(jobs_repository, Exchange(service), lambda: False, settings=settings).work()
    job = jobs_repository.get("j")
    assert (job.state, job.problem.status, said in job.problem.detail) == ("failed", 413, True)
    assert (jobs_store.keys("in/"), jobs_store.keys("out/")) == ([], [])


def test_reading_that_takes_too_long_fails_the_job(jobs_repository, service, put_up) -> None:
    """The problem names the setting when reading takes too long."""
    put_up(b"customer_id,age_years\n" + b"c,1\n" * 900_000, format="csv")
    settings = JobSettings(lease_seconds=1, most_read_seconds=0.001)
    JobRunner(jobs_repository, Exchange(service), lambda: False, settings=settings).work()
    job = jobs_repository.get("j")
    assert (job.state, "most_read_seconds" in job.problem.detail) == ("failed", True)


def test_an_idle_worker_deletes_data_of_cancelled_jobs(runner, jobs_repository, jobs_store, put_up) -> None:
    """A worker deletes the rest of a cancelled job, even if it found nothing to delete just before."""
    assert not runner.work()
    put_up(*[bytes(2**20)] * 100)
    jobs_repository.end("j", state="cancelled")
    assert jobs_store.keys("in/")
    deadline = time.monotonic() + 600
    while jobs_store.keys("in/"):
        assert time.monotonic() < deadline
        if not runner.work():
            time.sleep(0.2)


@pytest.mark.parametrize("what", ["cancelled", "stopped"])
def test_work_stops_within_a_piece(jobs_repository, jobs_store, service, put_up, request_, what) -> None:
    """Work stops between two rows of a piece, within a second, and the attempt isn't counted."""
    stopping = threading.Event()

    class Slow:
        """A service that takes time for each row."""

        def answer(self, body: bytes, *, at: str = ""):
            time.sleep(0.02)
            return service.answer(body, at=at)

    def leave() -> None:
        jobs_repository.end("j", state="cancelled") if what == "cancelled" else stopping.set()

    put_up(b"".join(line(request_, str(place)) for place in range(500)))
    timer = threading.Timer(0.3, leave)
    timer.start()
    began = time.monotonic()
    JobRunner(jobs_repository, Exchange(Slow()), stopping.is_set, settings=JobSettings(lease_seconds=5)).work()
    assert time.monotonic() - began < 9  # 0.6 s on an idle machine; all rows take 10 s
    timer.join()
    job = jobs_repository.get("j")
    if what == "cancelled":
        assert (job.state, jobs_store.keys("in/"), jobs_store.keys("out/")) == ("cancelled", [], [])
    else:
        assert (job.state, job.attempts, job.done, jobs_repository.open()) == ("running", 0, 0, ["j"])


def test_a_job_that_ended_the_worker_twice_is_failed(runner, jobs_repository, put_up, request_) -> None:
    """A job that ended the worker twice fails with that reason; one that ended it once is done."""
    put_up(line(request_, "a"), job_id="1", attempts=2)
    put_up(line(request_, "a"), job_id="2", attempts=1)
    while runner.work():
        pass
    bad, good = jobs_repository.get("1"), jobs_repository.get("2")
    assert (bad.state, good.state) == ("failed", "done")
    assert "The worker ended twice while working on this job" in bad.problem.detail


def test_a_job_stored_before_attempts_were_counted_is_done(
    runner, jobs_repository, jobs_store, put_up, request_
) -> None:
    """Fields that an old job record lacks get their defaults, and its uncompressed results can still be read."""
    put_up(line(request_, "a"), line(request_, "b"))
    kept = json.loads(jobs_store.get("job/j"))
    for name in ("at", "attempts", "read_bytes", "result_bytes"):
        del kept[name]
    jobs_store.put("job/j", json.dumps(kept | {"next_piece": 1, "done": 1}).encode(), seconds=3600)
    jobs_store.put("out/j/00000000", b'{"status":200}\n', seconds=3600)
    runner.work()
    assert (jobs_repository.get("j").state, len(outcomes(jobs_repository, "j"))) == ("done", 2)


def test_lost_input_fails_the_job(runner, jobs_repository, put_up) -> None:
    """A job whose input is lost fails."""
    put_up(b"{}\n", pieces=2)
    runner.work()
    assert (jobs_repository.get("j").state, jobs_repository.get("j").problem.status) == ("failed", 503)


def test_without_a_model_no_row_is_refused(jobs_repository, put_up, request_) -> None:
    """Without a model the job waits, and no row is refused."""
    put_up(line(request_, "a"))
    assert JobRunner(
        jobs_repository, Exchange(Service("customer-risk")), lambda: False, settings=JobSettings(lease_seconds=1)
    ).work()
    job = jobs_repository.get("j")
    assert (job.state, job.done, job.attempts, jobs_repository.open()) == ("running", 0, 0, ["j"])


def start_process(bundle: Path, folder: Path, rules: RuleSettings | None = None) -> subprocess.Popen:
    """Start the process that works on jobs, with its configuration as the first line of its input."""
    config = WorkerConfig(
        bundle=str(bundle),
        folder=str(folder),
        model_name="customer-risk",
        jobs=JobSettings(),
        store=StoreSettings(path=str(folder / "store")),
        rules=rules or RuleSettings(),
        record=RecordSettings(),
        logs=LogSettings(),
    )
    command = [sys.executable, "-m", "customer_risk.serving.bulk.jobs"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(msgspec.json.encode(config) + b"\n")
    process.stdin.flush()
    return process


def test_a_process_that_is_busy_ends_after_its_server(tmp_path) -> None:
    """A process that is busy with a large file of rules ends after its server does, and logs why it ends."""
    (tmp_path / "rules.yaml").write_text("- a\n" * 1_000_000)
    process = start_process(tmp_path, tmp_path, RuleSettings(file=str(tmp_path / "rules.yaml")))
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert b"its server ended" in errors


def test_the_process_works_until_its_input_ends(jobs_repository, put_up, request_, bundle, tmp_path) -> None:
    """The worker process has a low priority and ends with its standard input."""
    put_up(line(request_, "a"))
    process = start_process(bundle, tmp_path)
    deadline = time.monotonic() + 600
    while jobs_repository.get("j").state != "done":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with open(f"/proc/{process.pid}/stat") as stat:  # noqa: PTH123  not a file
        nice = int(stat.read().rpartition(")")[2].split()[16])
    process.communicate(timeout=600)
    assert (nice, process.returncode) == (19, 0)
