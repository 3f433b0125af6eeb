"""What the log hears of refusals."""

from __future__ import annotations

import pytest

from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.contract.problem import KINDS, document_of
from customer_risk.serving.errors import NotReady
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.exchange.outcome import Refused, RequestContext
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog


@pytest.mark.parametrize(("route", "lines"), [("/ai/v1/risk", 1), ("", 0)])
def test_a_probe_that_fails_leaves_no_log_line(route, lines, caplog) -> None:
    """A request that is refused for our reasons does; probes have no route, and ask again each second."""
    _, problem = document_of(NotReady("The model isn't ready.", remedy="Try again."))
    refused = Refused(KINDS[NotReady], problem, (), RequestContext(route, LOCAL))
    LogObserver(RequestLog(LogSettings())).observe(refused)
    assert len(caplog.records) == lines
