"""The watch of the store, with a store in a file and one that is away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.store_watch import StoreWatch
from customer_risk.serving.bulk.jobs.types import Job
from customer_risk.serving.errors import StoreUnavailable
from customer_risk.serving.store.file import FileStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _job(job_id: str, created: float) -> Job:
    return Job(job_id=job_id, caller="", explain=False, format="ndjson", pieces=1, rows=1, created=created, expires=2e9)


async def _watched(repository: Callable[[], JobRepository], until: Callable[[Any], bool], *, jobs: bool = True) -> Any:
    """Run a watch until its last values fulfil a condition; return these."""
    seen = SimpleNamespace(failing=None, jobs=None)
    metrics: Any = SimpleNamespace(
        store=lambda *, failing: setattr(seen, "failing", failing),
        jobs=lambda count, oldest: setattr(seen, "jobs", (count, oldest)),
    )
    watch = StoreWatch(repository, metrics, jobs=jobs, every=0.001)
    await watch.start()
    async with asyncio.timeout(600):
        while not until(seen):  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.001)
    await watch.stop()
    return seen


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[JobRepository]:
    """A repository without jobs; its clock is at 1000."""
    store = FileStore(tmp_path / "store")
    yield JobRepository(store, clock=lambda: 1000.0)
    store.close()


async def test_counts_open_jobs_and_the_age_of_the_oldest(repository: JobRepository) -> None:
    """The number of open jobs, and the seconds since the oldest was submitted, are set again and again."""
    repository.add(_job("01", 970.0))
    repository.add(_job("02", 990.0))
    seen = await _watched(lambda: repository, lambda now: now.jobs == (2, 30.0))
    assert seen.failing is False
    repository.end("01", state="done")
    await _watched(lambda: repository, lambda now: now.jobs == (1, 10.0))
    repository.end("02", state="done")
    await _watched(lambda: repository, lambda now: now.jobs == (0, 0.0))


async def test_a_store_that_is_away_is_set_and_comes_back(repository: JobRepository) -> None:
    """While the store can't be used, `store_failing` is set; then it is reset, and the jobs are counted at once."""
    away = [True]

    def current() -> JobRepository:
        if away:
            raise StoreUnavailable
        return repository

    def seen(now: Any) -> bool:
        if now.failing and now.jobs is None:
            away.clear()
        return now.failing is False and now.jobs == (0, 0.0)

    await _watched(current, seen)
    assert not away


async def test_jobs_that_a_server_does_not_accept_are_not_counted(repository: JobRepository) -> None:
    """Without jobs only the store is watched."""
    seen = await _watched(lambda: repository, lambda now: now.failing is False, jobs=False)
    assert seen.jobs is None
