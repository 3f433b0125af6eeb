"""Which bodies are read on the event loop, and which on a thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from customer_risk.serving.offload import MOST_ON_LOOP, Offload, Turns, run_on_daemon_thread

_who: ContextVar[str] = ContextVar("_who", default="unset")


@pytest.mark.parametrize(("size", "apart"), [(0, False), (MOST_ON_LOOP, False), (MOST_ON_LOOP + 1, True)])
def test_a_large_body_is_read_on_a_thread(size, apart) -> None:
    """A body up to the bound is read on the event loop's thread, and a larger one on another thread."""
    found = asyncio.run(Offload().call(size, threading.get_ident))
    assert (found != threading.get_ident()) is apart


async def test_the_event_loop_runs_other_tasks_meanwhile() -> None:
    """The event loop runs other tasks while a large body is read."""
    turns, reading = 0, asyncio.ensure_future(Offload().call(MOST_ON_LOOP + 1, time.sleep, 1.0))
    while not reading.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5


async def test_large_bodies_are_read_one_after_the_other() -> None:
    """Two large bodies are never decoded in memory at once."""
    running: list[int] = []
    most: list[int] = []

    def read() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    offload = Offload()
    await asyncio.gather(*(offload.call(MOST_ON_LOOP + 1, read) for _ in range(5)))
    assert most == [1] * 5


@pytest.mark.parametrize("size", [1, MOST_ON_LOOP + 1])
def test_errors_and_context_pass_through(size) -> None:
    """The function sees its caller's context variables, and the caller gets the function's error."""

    def fail() -> None:
        raise ValueError(_who.get())

    async def run() -> None:
        _who.set("caller")
        await Offload().call(size, fail)

    with pytest.raises(ValueError, match="caller"):
        asyncio.run(run())


def test_a_turn_is_due_after_so_many_items_or_bytes() -> None:
    """A turn is due after a number of small items, or after a number of bytes of larger ones."""
    small, large = Turns(items=3), Turns(items=100)
    assert [small.due(1) for _ in range(7)] == [False, False, False, True, False, False, True]
    assert [large.due(MOST_ON_LOOP // 2) for _ in range(5)] == [False, False, True, False, True]
    assert Turns().due(MOST_ON_LOOP + 1)


async def test_memory_is_tidied_once_after_several_large_bodies() -> None:
    """`tidy` is called once, a second after the first of several large bodies, on the thread that read them."""
    tidied: list[int] = []

    offload = Offload(lambda: tidied.append(threading.get_ident()))
    for _ in range(3):
        reader = await offload.call(MOST_ON_LOOP + 1, threading.get_ident)
    await asyncio.sleep(1.2)
    assert tidied == [reader]


async def test_a_function_on_a_daemon_thread_returns_or_raises() -> None:
    """The result or the error of a function on a daemon thread reaches the coroutine that awaits it."""
    assert await run_on_daemon_thread(lambda: 3) == 3
    with pytest.raises(KeyError):
        await run_on_daemon_thread(lambda: {}["a"])


def test_a_process_does_not_wait_for_a_daemon_thread() -> None:
    """A process ends although a function still runs on a daemon thread."""
    program = (
        "import asyncio, time\n"
        "from customer_risk.serving.offload import run_on_daemon_thread\n"
        "async def main():\n"
        "    loading = asyncio.create_task(run_on_daemon_thread(lambda: time.sleep(3600)))\n"
        "    await asyncio.sleep(0.1)\n"
        "    loading.cancel()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)
