"""The log of outcomes."""

from __future__ import annotations

import json

import pytest

from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.contract.problem import KINDS, document_of
from customer_risk.serving.errors import NotReady, NotServed
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.exchange.outcome import Decided, Refused, RequestContext
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog


def test_the_lines_of_one_call_have_one_trace(service, request_, caplog) -> None:
    """The customers of a batch share one new trace if the caller sends none."""
    caplog.set_level("INFO")
    observer = LogObserver(RequestLog(LogSettings(success_share=1)))
    answer = service.answer(json.dumps(request_).encode())
    for call in (RequestContext("/ai/v1/risk:batch", LOCAL), RequestContext("/ai/v1/risk:batch", LOCAL)):
        for _ in range(3):
            observer.observe(Decided(answer, call, 0.001, 0))
    traces = [line.trace for line in caplog.records]
    assert len(traces) == 6
    assert [len(set(traces[:3])), len(set(traces[3:])), len(set(traces))] == [1, 1, 2]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_failures_of_one_call_have_one_trace(share, caplog) -> None:
    """All log lines about the failures of one call have the same trace."""
    observer = LogObserver(RequestLog(LogSettings(success_share=share)))
    kind, problem = document_of(ZeroDivisionError())
    for call in (RequestContext("/ai/v1/risk:batch", LOCAL), RequestContext("/ai/v1/risk:batch", LOCAL)):
        for _ in range(2):
            observer.observe(Refused(kind, problem, (), call, ZeroDivisionError()))
    traces = [line.trace for line in caplog.records]
    assert (traces[0] == traces[1], traces[2] == traces[3], traces[1] == traces[2]) == (True, True, False)


def test_a_501_leaves_no_log_line(caplog) -> None:
    """A 501 is the caller's mistake, and isn't logged as a failure."""
    _, problem = document_of(NotServed("This isn't served.", remedy="Use :predict."))
    LogObserver(RequestLog(LogSettings())).observe(
        Refused(KINDS[NotServed], problem, (), RequestContext("/v2/x", LOCAL))
    )
    assert caplog.records == []


@pytest.mark.parametrize(("route", "lines"), [("/ai/v1/risk", 1), ("", 0)])
def test_a_probe_that_fails_leaves_no_log_line(route, lines, caplog) -> None:
    """A failure of the service is logged, except of probes, which have no route."""
    _, problem = document_of(NotReady("The model isn't ready.", remedy="Try again."))
    refused = Refused(KINDS[NotReady], problem, (), RequestContext(route, LOCAL))
    LogObserver(RequestLog(LogSettings())).observe(refused)
    assert len(caplog.records) == lines
