"""Trace context: a valid header is used, otherwise a new trace begins."""

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


def test_a_trace_continues_the_callers_trace() -> None:
    """The trace keeps its id, the caller's span becomes the parent, and the service has a new span."""
    trace = trace_of(SOUND)
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (TRACE, PARENT, True)
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id != PARENT


def test_each_request_has_its_own_span() -> None:
    """Two requests of one trace have different spans."""
    assert trace_of(SOUND).span_id != trace_of(SOUND).span_id


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_sampling_is_the_lowest_bit(flags, sampled) -> None:
    """Only the lowest bit of the flags is about sampling."""
    assert trace_of(f"00-{TRACE}-{PARENT}-{flags}".encode()).sampled is sampled


def test_fields_of_a_later_version_are_ignored() -> None:
    """Fields that a later version appends are ignored."""
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
def test_an_invalid_header_begins_a_new_trace(header) -> None:
    """An invalid header begins a new trace."""
    trace = trace_of(header)
    assert trace.parent_id is None
    assert trace.trace_id != TRACE
    assert not trace.sampled


@given(
    st.one_of(st.none(), st.binary(max_size=80), st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"))
)
def test_every_header_leads_to_a_valid_next_header(header) -> None:
    """After any header, the next header is valid and has this trace."""
    trace = trace_of(header)
    passed_on = trace_of(trace.header().encode())
    assert (passed_on.trace_id, passed_on.parent_id) == (trace.trace_id, trace.span_id)
    assert passed_on.sampled == trace.sampled


def test_the_header_has_the_standard_form() -> None:
    """The header has version 00, the ids and the sampling flag."""
    assert Trace(TRACE, PARENT, None, sampled=False).header() == f"00-{TRACE}-{PARENT}-00"
    assert Trace(TRACE, PARENT, None, sampled=True).header() == SOUND.decode()


def _begin(told: SimpleQueue[str]) -> None:
    told.put(trace_of(None).trace_id)


def test_forked_workers_begin_different_traces() -> None:
    """Workers that are forked from one process begin different traces."""
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    workers = [fork.Process(target=_begin, args=(told,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    first, second = told.get(), told.get()
    for worker in workers:
        worker.join()
    assert first != second
