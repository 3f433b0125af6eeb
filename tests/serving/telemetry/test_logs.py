"""The form of log lines, their kinds, and what they never contain."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from customer_risk.model.errors import BundleError, ConfigError
from customer_risk.serving.contract.problem import KINDS
from customer_risk.serving.contract.trace import Trace, trace_of
from customer_risk.serving.errors import NotReady, StoreUnavailable
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog, _Bounded, configure
from tests.http_server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from customer_risk.serving.decisions.service import Service

TRACE = Trace("4bf92f3577b34da6a3ce929d00000000", "00f067aa0ba902b7", None, sampled=True)
ALL = LogSettings(format="json", project="p", success_share=1)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return the JSON lines so far; logging is restored afterwards."""
    root, show = logging.getLogger(), warnings.showwarning
    handlers, level = root.handlers[:], root.level
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(error: Exception) -> None:
    """Log an error that was raised."""
    try:
        raise error
    except type(error) as raised:
        RequestLog(ALL).failed(raised, TRACE, route="/ai/v1/risk", caller_name="payments")


def test_an_error_is_logged_in_all_fields(lines) -> None:
    """An error's line has the severity, trace, labels, place and stack in Cloud Logging's fields."""
    configure(ALL)
    fail(BundleError("No bundle yet.", remedy="Wait."))
    (line,) = lines()
    assert line["severity"] == "ERROR"
    assert line["logging.googleapis.com/trace"] == f"projects/p/traces/{TRACE.trace_id}"
    assert line["logging.googleapis.com/spanId"] == TRACE.span_id
    assert line["logging.googleapis.com/labels"]["kind"] == "unexpected"
    assert "test_logs.py" in line["message"]
    assert "No bundle yet." in line["message"]


def test_refusals_of_one_kind_are_logged_once_a_second(lines) -> None:
    """Refusals of one kind are logged once a second."""
    configure(ALL)
    log = RequestLog(ALL)
    for _ in range(50):
        for error in (NotReady, StoreUnavailable):
            log.refused(KINDS[error], route="/ai/v1/risk")
    assert [line["logging.googleapis.com/labels"]["kind"] for line in lines()] == ["not-ready", "store-unavailable"]


def test_successes_are_sampled_by_trace(lines, service: Service, request_) -> None:
    """The trace's id decides which successes are logged; with a share of 0, no success is logged."""
    configure(ALL)
    answer = service.answer(msgspec.json.encode(request_))
    highest = Trace("f" * 32, "1" * 16, None, sampled=False)
    for share, trace in ((0.01, TRACE), (0.01, highest), (0, TRACE), (1, highest)):
        log = RequestLog(LogSettings(success_share=share))
        log.answered(answer, "payments", trace, seconds=0.002, route="/ai/v1/risk")
    told = lines()
    assert [line["logging.googleapis.com/trace"] for line in told] == [TRACE.trace_id, "f" * 32]
    assert told[0]["logging.googleapis.com/labels"]["decision_id"] == answer.decision_id
    assert told[0]["httpRequest"]["latency"] == "0.002000s"


def test_no_line_has_content_of_a_request(lines, service: Service, request_) -> None:
    """A request's fields, and a foreign error that quotes them, are in no line."""
    configure(ALL)
    request_["customer_id"] = request_["profile"]["occupation"] = request_["transactions"][0]["type"] = "MARKER"
    answer = service.answer(msgspec.json.encode(request_))
    RequestLog(ALL).answered(answer, "payments", TRACE, seconds=0.1, route="/ai/v1/risk")
    try:
        fail(KeyError("MARKER"))
    except KeyError as error:
        raise AssertionError from error
    told = lines()
    assert len(told) == 2
    assert "MARKER" not in json.dumps(told)


def test_lines_of_other_libraries_have_the_same_form(lines) -> None:
    """Lines of KServe, uvicorn and Python's warnings are JSON too."""
    configure(ALL)
    logging.getLogger("kserve").warning("a %s", "word")
    logging.getLogger("uvicorn.error").error("an error")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("careful", UserWarning, stacklevel=1)
    assert [line["logger"] for line in lines()] == ["kserve", "uvicorn.error", "py.warnings"]


async def test_a_thread_writes_all_queued_lines(lines) -> None:
    """Between start and stop a thread writes the lines, with their stacks, and no line is lost at the end."""
    logs = configure(ALL)

    await logs.start()
    for _ in range(100):
        fail(BundleError("Not yet.", remedy="Wait."))
    await logs.stop()
    told = lines()
    assert len(told) == 100
    assert "Traceback" in told[0]["message"]
    assert told[0]["logging.googleapis.com/labels"]["caller"] == "payments"


def test_lines_beyond_the_bound_are_dropped_and_counted() -> None:
    """Lines beyond the bound of the queue are dropped and counted."""
    import queue

    dropped: list[int] = []
    handler = _Bounded(queue.Queue(2), dropped.append)
    for _ in range(5):
        handler.emit(logging.makeLogRecord({"msg": "x"}))
    assert dropped == [1, 1, 1]


def test_the_format_text_is_plain_text(lines, capsys) -> None:  # noqa: ARG001  it puts logging back
    """With `format: text`, lines are plain text."""
    configure(LogSettings(format="text"))
    logging.getLogger("serving").info("ready")
    assert "INFO serving: ready" in capsys.readouterr().err


@pytest.fixture
def cloud():
    """A server with Cloud Logging's API, and the entries that it received."""
    entries: list[dict[str, Any]] = []

    def take(request, sent: bytes) -> tuple[int, dict]:
        entries.extend({"path": request.path} | entry for entry in json.loads(sent)["entries"])
        return 200, {}

    with serving(take) as url:
        yield url, entries


async def test_the_cloud_client_sends_lines_with_their_trace(cloud, lines) -> None:  # noqa: ARG001  it puts logging back
    """With `client: cloud`, errors arrive with severity and trace, without the request's content."""
    url, entries = cloud
    settings = LogSettings(client="cloud", project="p", endpoint=url)

    logs = configure(settings)
    await logs.start()
    trace = trace_of(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    RequestLog(settings).failed(ValueError("c-secret"), trace, route="/r", caller_name="pay")
    await logs.stop()
    (entry,) = entries
    assert (entry["path"].partition("?")[0], entry["severity"]) == ("/v2/entries:write", 500)  # ERROR
    assert entry["trace"] == "projects/p/traces/0af7651916cd43dd8448eb211c80319c"
    assert "c-secret" not in json.dumps(entry)


def test_missing_cloud_credentials_are_a_config_error(tmp_path, monkeypatch, lines) -> None:  # noqa: ARG001  it puts logging back
    """Missing credentials raise ConfigError at the start."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match=r"logs\.client"):
        configure(LogSettings(client="cloud", project="p"))


HOSTILE = "why\n2026-01-01 00:00:00 ERROR serving: forged\r\x1b[2J\x85\u2028\u202e"


@pytest.mark.parametrize("queued", [False, True], ids=["at once", "by the thread"])
@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.usefixtures("lines")
async def test_control_characters_are_escaped(capsys, format_, queued) -> None:
    """Line ends and control characters in a message, an error's text or a label are printed as escapes."""
    logs = configure(LogSettings(format=format_))

    if queued:
        await logs.start()
    logging.getLogger("serving").warning("force rules, by %s: %s", HOSTILE, HOSTILE, extra={"labels": {"a": HOSTILE}})
    fail(BundleError(HOSTILE, remedy=HOSTILE))
    if queued:
        await logs.stop()
    printed = "".join(capsys.readouterr())
    assert not set(printed) & set("\r\x1b\x85\u2028\u202e")
    assert not any(line.startswith("2026-01-01") for line in printed.splitlines())
    assert "forged" in printed
    assert "test_logs.py" in printed  # the stack
    if format_ == "json":
        for line in printed.splitlines():
            assert not json.loads(line)["message"].startswith("2026-01-01 00:00:00 ERROR")
    else:
        assert "Traceback (most recent call last):" in printed.splitlines()
