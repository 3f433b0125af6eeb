"""Jobs in the store."""

from __future__ import annotations

import itertools
import time

import pytest

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.types import Job, view
from customer_risk.serving.store.file import FileStore


class Clock:
    """Shows `now`, which tests move."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock to move."""
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    """A store that tells time by the clock."""
    made = FileStore(str(tmp_path / "store"), clock=clock)
    yield made
    made.close()


@pytest.fixture
def repository(store, clock) -> JobRepository:
    """A repository on the store."""
    return JobRepository(store, lease_seconds=10, clock=clock)


def job(**fields) -> Job:
    """A job of two pieces, none of them done."""
    given = {"job_id": "j", "caller": "a", "explain": True, "format": "ndjson", "pieces": 2, "rows": 3}
    return Job(**(given | {"created": 1000.0, "expires": 1100.0} | fields))


def test_a_job_is_found_until_it_expires(repository, clock) -> None:
    """An expired job is unknown."""
    repository.add(job())
    assert repository.get("j") == job()
    clock.now = 1100.0
    assert (repository.get("j"), repository.open(), repository.of("a")) == (None, [], [])


def test_a_caller_lists_only_own_jobs_in_order(repository) -> None:
    """The list has the caller's own jobs, the oldest first."""
    for name, caller in (("1", "a"), ("3", "a"), ("2", "a"), ("0", "b")):
        repository.add(job(job_id=name, caller=caller))
    assert [each.job_id for each in repository.of("a")] == ["1", "2", "3"]


def test_a_change_is_visible_to_every_process(repository, store) -> None:
    """A change is visible to every process that shares the store."""
    repository.add(job())
    repository.change("j", state="running", done=2)
    assert JobRepository(store).get("j") is not None
    assert JobRepository(store, clock=repository.clock).get("j") == job(state="running", done=2)


def test_an_ended_job_does_not_change(repository) -> None:
    """A job that has ended does not change."""
    repository.add(job())
    ended = repository.end("j", state="cancelled")
    assert repository.change("j", done=3) == ended == job(state="cancelled", ended=1000.0)


def test_two_changes_at_once_are_both_kept(repository, store, clock) -> None:
    """Two concurrent changes are both stored."""
    repository.add(job())

    class Contended(FileStore):
        """A store in which another process changes the job between reading and writing."""

        def get(self, key: str) -> bytes | None:
            found = store.get(key)
            if next(turns) == 0:
                repository.change("j", failed=1)
            return found

        def __init__(self) -> None: ...

        def replace(self, *arguments, **options) -> bool:
            return store.replace(*arguments, **options)

    turns = itertools.count()
    assert JobRepository(Contended(), clock=clock).change("j", done=1) == job(done=1, failed=1)


@pytest.mark.parametrize(("state", "left"), [("done", ["out/j/00000000"]), ("cancelled", []), ("failed", [])])
def test_an_ended_job_keeps_only_complete_results(repository, store, state, left) -> None:
    """A job that ends loses its input, and its results unless it is done."""
    repository.add(job())
    repository.put_input("j", 0, b"{}", seconds=100)
    repository.put_results(job(), 0, b"{}\n")
    repository.end("j", state=state)
    assert (store.keys("in/"), store.keys("out/"), repository.open()) == ([], left, [])


def test_ending_a_large_job_takes_a_moment(repository, store) -> None:
    """A large job ends at once; `tidy` deletes the rest of its input afterwards."""
    repository.add(job(pieces=300))
    for place in range(300):
        repository.put_input("j", place, bytes(2**20), seconds=100)
    began = time.monotonic()
    repository.end("j", state="cancelled")
    assert time.monotonic() - began < 60  # 0.1 s on an idle machine
    while repository.tidy():
        pass
    assert (store.keys("in/"), store.keys("gone/"), repository.open()) == ([], [], [])


def test_results_come_in_the_order_of_the_input(repository) -> None:
    """Results are in the order of the input, also with more than nine pieces."""
    many = job(pieces=12, next_piece=12)
    for place in reversed(range(12)):
        repository.put_results(many, place, b"%d\n" % place)
    assert b"".join(repository.results(many)).split() == [b"%d" % place for place in range(12)]


def test_a_job_has_one_worker_until_the_lease_runs_out(repository, clock) -> None:
    """Another worker takes the job when the lease has expired; the first one can no longer renew or release it."""
    first = repository.take("j")
    assert repository.take("j") is None
    clock.now += 9
    assert repository.renew("j", first)
    clock.now += 10
    second = repository.take("j")
    assert second is not None
    assert not repository.renew("j", first)
    repository.release("j", first)
    assert repository.take("j") is None
    repository.release("j", second)
    assert repository.take("j") is not None


@pytest.mark.parametrize(
    ("fields", "now", "rate", "left", "results"),
    [
        ({"rows": None}, 1004.0, None, None, None),
        ({"state": "running", "done": 2, "rows": 12, "started": 1000.0}, 1004.0, 0.5, 20.0, None),
        ({"state": "done", "done": 3, "started": 1000.0, "ended": 1006.0}, 1090.0, 0.5, None, "/jobs/j/results"),
    ],
)
def test_a_view_has_the_known_values(fields, now, rate, left, results) -> None:
    """The view has the rate once a row is done, the time left while the job runs, and the results once it is done."""
    shown = view(job(**fields), "/jobs", now=now)
    assert (shown.rate, shown.seconds_left, shown.results) == (rate, left, results)
    assert (shown.rows, shown.created_at) == (fields.get("rows", 3), "1970-01-01T00:16:40Z")
