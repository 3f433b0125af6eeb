"""Log lines, as text or as JSON that Cloud Logging reads from standard output.

google-cloud-logging's handler for this JSON takes a second to import and writes no time. So this module writes the
JSON, and only `client: cloud` uses the library, in `cloud_logging`. No line contains a body, a customer's id or other
data of a request.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
import logging.handlers
import math
import queue
import random
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.escaping import escape_line
from customer_risk.serving.contract.problem import UNEXPECTED, Kind
from customer_risk.serving.contract.trace import Trace, trace_of
from customer_risk.serving.telemetry.factory import cloud_handler

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer

_MOST_WAITING: Final = 10_000  # lines
_QUIET_SECONDS: Final = 1.0  # between two lines of one kind of refusal
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_log = logging.getLogger("serving.requests")

_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the logs.

    format         text for people, on standard error; json for machines, on standard output
    client         stream (lines, which the cluster's agent collects) or cloud (Cloud Logging's API)
    project        Google Cloud project of traces; null: lines have only the trace's id
    endpoint       URL of another server with Cloud Logging's API; no credentials are sent to one that begins with http:
    success_share  share of successful requests that are logged; chosen by trace, so that a trace is logged completely
    """

    format: Literal["text", "json"] = "text"
    client: Literal["stream", "cloud"] = "stream"
    project: str | None = None
    endpoint: str | None = None
    success_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01


class Logs:
    """All log lines of the process, also those of libraries; after `start`, a thread writes them.

    `dropped(count)` is called for lines that were dropped because too many waited.
    """

    def __init__(self, settings: LogSettings, dropped: Callable[[int], object] = lambda _: None) -> None:
        self._dropped = dropped
        self._cloud = _cloud_handler(settings) if settings.client == "cloud" else None
        self._handler = _stream(settings)
        self._listener: logging.handlers.QueueListener | None = None

    async def start(self) -> None:
        """Start the thread that writes; call it after the fork."""
        lines: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
        handler = _Bounded(lines, self._dropped)
        handler.setFormatter(_WithoutQuotes("%(message)s"))
        self._listener = logging.handlers.QueueListener(lines, self._handler if self._cloud is None else self._cloud())
        self._listener.start()
        logging.getLogger().handlers[:] = [handler]

    async def stop(self) -> None:
        """Write the waiting lines, and stop the thread."""
        logging.getLogger().handlers[:] = [self._handler]
        if self._listener is not None:
            self._listener.stop()
            for handler in self._listener.handlers:
                if handler is not self._handler:
                    handler.close()  # sends the buffered lines
            self._listener = None


def configure(settings: LogSettings, dropped: Callable[[int], object] = lambda _: None) -> Logs:
    """Configure logging: this service's lines, and other libraries' warnings. Return the worker's component."""
    logs = Logs(settings, dropped)
    root = logging.getLogger()
    root.handlers[:] = [logs._handler]  # noqa: SLF001  the same module
    root.setLevel(logging.WARNING)
    logging.getLogger("serving").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    for name in ("kserve", "uvicorn", "uvicorn.error", "uvicorn.access"):
        other = logging.getLogger(name)
        other.handlers.clear()
        other.propagate = True
        other.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of each connection that isn't HTTP
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # its errors quote callers' metadata, tokens included
    return logs


class RequestLog:
    """Logs requests: a share of the successful ones, and those that fail in the service."""

    def __init__(self, settings: LogSettings) -> None:
        self._project = settings.project
        self._bound = int(settings.success_share * 2**32)
        self._refused: dict[str, float] = {}  # when each kind was logged last

    def draw(self) -> Trace | None:
        """Return a new trace for a call without one, if the call is in the logged share; else None."""
        drawn = random.getrandbits(32)
        if drawn >= self._bound:
            return None
        made = trace_of(None)
        return Trace(f"{made.trace_id[:-8]}{drawn:08x}", made.span_id, made.parent_id, made.sampled)

    def answered(self, answer: Answer, caller_name: str, trace: Trace, *, seconds: float, route: str) -> None:
        """Log a decision if its trace is in the logged share."""
        if int(trace.trace_id[-8:], 16) >= self._bound:
            return
        labels = {
            "decision_id": answer.decision_id,
            "model": answer.model.version,
            "source": answer.source,
            "route": route,
            "code": "200",
            "caller": caller_name,
        }
        request = {"requestMethod": "POST", "requestUrl": route, "status": 200}
        if seconds >= 0:
            request["latency"] = f"{seconds:.6f}s"
        _log.info("answered", extra={**self._traced(trace), "labels": labels, "http_request": request})

    def failed(self, error: Exception, trace: Trace, *, route: str, caller_name: str) -> None:
        """Log an unexpected error with its stack."""
        labels = {"kind": UNEXPECTED.name, "route": route, "code": str(UNEXPECTED.status.value), "caller": caller_name}
        extra = {**self._traced(trace), "labels": labels}
        _log.error("a request failed", exc_info=error, extra=extra)

    def refused(self, kind: Kind, *, route: str) -> None:
        """Log that the service refuses requests, at most once a second for each kind."""
        now = time.monotonic()
        if now - self._refused.get(kind.name, -math.inf) >= _QUIET_SECONDS:
            self._refused[kind.name] = now
            labels = {"kind": kind.name, "route": route, "code": str(kind.status.value)}
            _log.warning("a request was refused: %s", kind.title, extra={"labels": labels})

    def _traced(self, trace: Trace) -> dict[str, Any]:
        name = f"projects/{self._project}/traces/{trace.trace_id}" if self._project else trace.trace_id
        return {"trace": name, "span_id": trace.span_id, "trace_sampled": trace.sampled}


class _WithoutQuotes(logging.Formatter):
    """Formats a message as one line, and an error with its stack.

    Only the text of this service's errors and of OSError is included: other texts may quote requests.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        return escape_line(super().formatMessage(record))

    def formatException(self, ei: _Info) -> str:  # noqa: N802  logging's name
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(lines) < 1000:
            stack = traceback.format_tb(error.__traceback__)
            text = escape_line(str(error)) if isinstance(error, CustomerRiskError | OSError) else "(withheld)"
            lines = ["Traceback (most recent call last):\n", *stack, f"{type(error).__name__}: {text}\n", *lines]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip()


class _Json(_WithoutQuotes):
    """Formats a line for Cloud Logging: https://cloud.google.com/logging/docs/structured-logging."""

    def format(self, record: logging.LogRecord) -> str:
        given = record.__dict__
        line: dict[str, Any] = {
            "severity": record.levelname,
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "message": super().format(record),
            "logger": record.name,
        }
        for name, field in (
            ("labels", "logging.googleapis.com/labels"),
            ("trace", "logging.googleapis.com/trace"),
            ("span_id", "logging.googleapis.com/spanId"),
            ("trace_sampled", "logging.googleapis.com/trace_sampled"),
            ("http_request", "httpRequest"),
        ):
            if name in given:
                line[field] = given[name]
        if record.levelno >= logging.ERROR:
            place = {"file": record.pathname, "line": str(record.lineno), "function": record.funcName}
            line["logging.googleapis.com/sourceLocation"] = place
        return escape_line(_encode(line).decode())


class _Bounded(logging.handlers.QueueHandler):
    """Puts lines into a queue of bounded length, and drops the rest."""

    def __init__(self, lines: queue.Queue[logging.LogRecord], dropped: Callable[[int], object]) -> None:
        super().__init__(lines)
        self._dropped = dropped

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a copy of the record for the thread: its message and its stack are text, in separate fields."""
        made = copy.copy(record)
        made.msg, made.args = record.getMessage(), None
        if record.exc_info and self.formatter is not None:
            made.exc_text = self.formatter.formatException(record.exc_info)
        made.exc_info = made.stack_info = None
        return made

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped(1)


def _stream(settings: LogSettings) -> logging.Handler:
    text = settings.format == "text" and settings.client == "stream"
    handler = logging.StreamHandler(sys.stderr if text else sys.stdout)
    handler.setFormatter(_WithoutQuotes(_TEXT) if text else _Json("%(message)s"))
    return handler


def _cloud_handler(settings: LogSettings) -> Callable[[], logging.Handler]:
    """Return a function that makes Cloud Logging's handler; raises ConfigError without credentials or a project."""
    create = cloud_handler(settings.project, settings.endpoint or "")

    def make() -> logging.Handler:
        handler = create()
        handler.setFormatter(_WithoutQuotes("%(message)s"))
        return handler

    return make
