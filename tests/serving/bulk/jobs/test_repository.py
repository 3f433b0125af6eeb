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
        """Tell the time."""
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
    """A job of two pieces, of which nothing is done."""
    given = {"job_id": "j", "caller": "a", "explain": True, "format": "ndjson", "pieces": 2, "rows": 3}
    return Job(**(given | {"created": 1000.0, "expires": 1100.0} | fields))


def test_a_job_is_found_until_it_expires(repository, clock) -> None:
    """Then it is as if it had never been."""
    repository.add(job())
    assert repository.get("j") == job()
    clock.now = 1100.0
    assert (repository.get("j"), repository.open(), repository.of("a")) == (None, [], [])


def test_a_caller_sees_their_own_in_order(repository) -> None:
    """The oldest first; identifiers begin with the time."""
    for name, caller in (("1", "a"), ("3", "a"), ("2", "a"), ("0", "b")):
        repository.add(job(job_id=name, caller=caller))
    assert [each.job_id for each in repository.of("a")] == ["1", "2", "3"]


def test_a_change_is_seen_by_all_who_share_the_store(repository, store) -> None:
    """There is no copy in a process."""
    repository.add(job())
    repository.change("j", state="running", done=2)
    assert JobRepository(store).get("j") is not None
    assert JobRepository(store, clock=repository.clock).get("j") == job(state="running", done=2)


def test_what_has_ended_changes_no_more(repository) -> None:
    """A worker that counts on after a cancellation counts for nothing."""
    repository.add(job())
    ended = repository.end("j", state="cancelled")
    assert repository.change("j", done=3) == ended == job(state="cancelled", ended=1000.0)


def test_two_changes_at_once_are_both_kept(repository, store, clock) -> None:
    """Whoever finds that another was first looks again."""
    repository.add(job())

    class Contended(FileStore):
        """A store in which somebody else changes the job between reading and writing."""

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
def test_an_ended_job_leaves_only_results_that_are_whole(repository, store, state, left) -> None:
    """Input holds people's data, and half of the results would be taken for all."""
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
    """Even beyond nine pieces."""
    many = job(pieces=12, next_piece=12)
    for place in reversed(range(12)):
        repository.put_results(many, place, b"%d\n" % place)
    assert b"".join(repository.results(many)).split() == [b"%d" % place for place in range(12)]


def test_a_job_has_one_worker_until_the_lease_runs_out(repository, clock) -> None:
    """One who died is followed by another, and then has nothing to renew or give back."""
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


def test_a_view_tells_rate_and_time_left() -> None:
    """Of what is done so far."""
    shown = view(job(state="running", done=2, rows=12, started=1000.0), "/jobs", now=1004.0)
    assert (shown.rate, shown.seconds_left, shown.results) == (0.5, 20.0, None)
    assert shown.created_at == "1970-01-01T00:16:40Z"


def test_a_view_of_one_that_waits_knows_no_rate() -> None:
    """Null, rather than a guess."""
    shown = view(job(rows=None), "/jobs", now=1004.0)
    assert (shown.rate, shown.seconds_left, shown.rows) == (None, None, None)


def test_a_view_of_one_that_is_done_names_its_results() -> None:
    """And its rate is that of its whole run."""
    shown = view(job(state="done", done=3, started=1000.0, ended=1006.0), "/jobs", now=1090.0)
    assert (shown.rate, shown.seconds_left, shown.results) == (0.5, None, "/jobs/j/results")
