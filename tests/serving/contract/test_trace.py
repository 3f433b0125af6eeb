"""Trace context: taken over strictly, begun anew otherwise."""

from __future__ import annotations

import multiprocessing
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.contract.trace import Trace, trace_of

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOUND = f"00-{TRACE}-{PARENT}-01".encode()


def test_goes_on_with_the_callers_trace() -> None:
    """The trace's id is kept, the caller's span becomes the parent, and the part done here has its own."""
    trace = trace_of(SOUND)
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (TRACE, PARENT, True)
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id != PARENT


def test_each_request_is_a_span_of_its_own() -> None:
    """Two requests of one trace get two spans."""
    assert trace_of(SOUND).span_id != trace_of(SOUND).span_id


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_sampling_is_the_lowest_bit(flags, sampled) -> None:
    """Other flags say nothing of sampling."""
    assert trace_of(f"00-{TRACE}-{PARENT}-{flags}".encode()).sampled is sampled


def test_a_later_version_may_say_more() -> None:
    """What a later version appends is ignored, as the standard asks."""
    assert trace_of(f"01-{TRACE}-{PARENT}-01-more".encode()).trace_id == TRACE
    assert trace_of(f"cc-{TRACE}-{PARENT}-01".encode()).trace_id == TRACE


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00",
        SOUND[:-1],
        SOUND + b"0",
        SOUND + b"-more",
        SOUND + b"\n",
        b" " + SOUND,
        SOUND.upper(),
        b"ff" + SOUND[2:],
        SOUND.replace(b"-", b"_"),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE[:-1]}g-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-0g".encode(),
        f"01-{TRACE}-{PARENT}-01more".encode(),
        SOUND + b", " + SOUND,
        b"01" + SOUND[2:] + b"-" + b"x" * 10_000,
        b"\xff" * 55,
    ],
)
def test_what_the_standard_forbids_begins_another_trace(header) -> None:
    """Nothing of a bad header is taken over."""
    trace = trace_of(header)
    assert trace.parent_id is None
    assert trace.trace_id != TRACE
    assert not trace.sampled


@given(
    st.one_of(st.none(), st.binary(max_size=80), st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"))
)
def test_every_header_leads_to_one_that_can_be_sent_on(header) -> None:
    """Whatever came, what goes on is sound and names this trace."""
    trace = trace_of(header)
    passed_on = trace_of(trace.header().encode())
    assert (passed_on.trace_id, passed_on.parent_id) == (trace.trace_id, trace.span_id)
    assert passed_on.sampled == trace.sampled


def test_the_header_is_written_as_the_standard_says() -> None:
    """Version 00, ids and the sampling flag."""
    assert Trace(TRACE, PARENT, None, sampled=False).header() == f"00-{TRACE}-{PARENT}-00"
    assert Trace(TRACE, PARENT, None, sampled=True).header() == SOUND.decode()


def _begin(told: SimpleQueue[str]) -> None:
    told.put(trace_of(None).trace_id)


def test_forked_workers_begin_different_traces() -> None:
    """A fork copies the generator's state, and yet no two workers make the same ids."""
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    workers = [fork.Process(target=_begin, args=(told,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    first, second = told.get(), told.get()
    for worker in workers:
        worker.join()
    assert first != second
