"""Counts of decisions, of one worker and of several."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.serving.telemetry.decision_counters import DecisionCounters

if TYPE_CHECKING:
    from pathlib import Path


def answer(action: str = "none", model: str = "aaa", source: str = "model") -> Any:
    """Return the parts of an answer that are counted."""
    return SimpleNamespace(decision=SimpleNamespace(action=action), model=SimpleNamespace(version=model), source=source)


def rows(counters: DecisionCounters) -> dict[tuple[str, str, str], int]:
    """Return the counts by action, source and model."""
    return {(each.action, each.source, each.model): each.count for each in counters.read().decisions}


async def test_counts_by_action_source_and_model(tmp_path: Path) -> None:
    """Each decision counts once, at its action, source and model."""
    counters = DecisionCounters(tmp_path)
    assert rows(counters) == {}
    for each in (answer(), answer(), answer("review"), answer("review", "v1", "rules"), answer(model="bbb")):
        counters.decided(each)
    assert rows(counters) == {
        ("none", "model", "aaa"): 2,
        ("none", "model", "bbb"): 1,
        ("review", "model", "aaa"): 1,
        ("review", "rules", "v1"): 1,
    }


async def test_sums_workers_also_ended_ones(tmp_path: Path) -> None:
    """A worker's counts are seen by the others while it runs, and stay after its end."""
    first, second = DecisionCounters(tmp_path, workers=2), DecisionCounters(tmp_path, workers=2)
    await first.start()
    await second.start()
    first.decided(answer())
    second.decided(answer())
    async with asyncio.timeout(600):
        while rows(first) != {("none", "model", "aaa"): 2}:  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.001)
    second.decided(answer("review"))
    await second.stop()
    assert rows(first) == {("none", "model", "aaa"): 2, ("review", "model", "aaa"): 1}
    await first.stop()


async def test_a_start_is_told_from_another(tmp_path: Path) -> None:
    """Workers of one start have the same id and time; another start has another id."""
    one, other = DecisionCounters(tmp_path, workers=3), DecisionCounters(tmp_path)
    assert (one.read().start_id, one.read().started) == (one.read().start_id, one.read().started)
    assert one.read().start_id != other.read().start_id
    assert one.read().workers == 3


async def test_models_beyond_a_hundred_are_counted_together(tmp_path: Path) -> None:
    """The memory is bounded: the model of the 101st bundle is `other`."""
    counters = DecisionCounters(tmp_path)
    for model in range(103):
        counters.decided(answer(model=f"{model:03}"))
    counters.decided(answer(model="007"))
    counted = rows(counters)
    assert len(counted) == 101
    assert counted["none", "model", "other"] == 3
    assert counted["none", "model", "007"] == 2


def test_concurrent_threads_lose_no_decision(tmp_path: Path) -> None:
    """No decision of concurrent threads is lost, while the counts are read."""
    counters = DecisionCounters(tmp_path)
    one = answer()

    def count() -> None:
        for _ in range(5_000):
            counters.decided(one)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counters.read()
    assert rows(counters) == {("none", "model", "aaa"): 20_000}


async def test_a_failed_write_is_logged_once_and_made_up_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the counts can't be written, the log has one line; then the next write has all counts."""
    folder = tmp_path / "absent"
    counters, other = DecisionCounters(folder), DecisionCounters(folder)
    await counters.start()
    counters.decided(answer())
    async with asyncio.timeout(600):
        while "the counters weren't written" not in caplog.text:  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.2)
        folder.mkdir()
        counters.decided(answer())
        while rows(other) != {("none", "model", "aaa"): 2}:  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.001)
    await counters.stop()
    assert caplog.text.count("the counters weren't written") == 1
