"""Callers of the service, for Locust: each sends on its own schedule, independently of the answers.

Locust's own waiting times count from the end of a request, so a slow answer delays the next request, and the requests
that were not sent are never timed ("coordinated omission"). A caller here is an instance of a microservice: its
requests are due at fixed times, use a connection of its pool, and are timed from the time when they were due. After a
429 or 503 with Retry-After, the caller waits and sends the request again, as the service's client does; this time
counts too.

loadtest.generator runs this module. Nothing else imports it, because Locust patches the process.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import random
import time
from pathlib import Path
from typing import IO, Any, Final

import gevent
import msgspec
from locust import FastHttpUser, LoadTestShape, task

from loadtest.answers import Checker
from loadtest.payloads import SINGLE, Payload, load_payloads
from loadtest.plan import Outcome, Plan

_AHEAD: Final = 2.5  # seconds before a stage when its callers are created: Locust checks once a second
_COME_BACK: Final = frozenset({429, 503})


def _take_precedence() -> None:
    """Raise the priority of this process if that is permitted: a generator that waits for the CPU measures itself.

    If Linux groups processes by session, the priority of the group counts.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        Path("/proc/self/autogroup").write_text("-10")


class _Run:
    """The state that the callers of this process share."""

    def __init__(self) -> None:
        _take_precedence()
        self.plan, self.part = Plan.await_mine()
        self.payloads: list[Payload] = load_payloads(Path(self.plan.payloads))
        self.bodies = [bytes(payload.body) for payload in self.payloads]
        self.checker = Checker(self.plan.minimum_patterns)
        # Indexes of the shared list of requests, so that each process sends all of it.
        self.order = itertools.cycle(random.Random(self.part).sample(range(len(self.payloads)), len(self.payloads)))  # noqa: S311  no secret
        self.callers = itertools.count(self.part, self.plan.processes)
        self.under_way: dict[int, tuple[float, str]] = {}  # by number of the request: its due time and kind
        self.numbers = itertools.count()
        folder = Path(self.plan.folder)
        self.outcomes: IO[bytes] = (folder / f"outcomes-{self.part}.jsonl").open("wb", buffering=1 << 20)
        self.decisions: IO[bytes] = (folder / f"decisions-{self.part}.txt").open("wb", buffering=1 << 20)
        self.headers = {"Content-Type": "application/json"}
        if self.plan.host:
            self.headers["Host"] = self.plan.host
        if self.plan.token_file:
            self.headers["Authorization"] = f"Bearer {Path(self.plan.token_file).read_text().strip()}"

    def close(self) -> None:
        """Count requests without an answer as failed, and close the files."""
        for due, kind in self.under_way.values():
            took = 1000 * (time.time() - due)
            self.write(Outcome(due, took, 0.0, kind, 0, 0, 0, "no answer by the end of the run", ""))
        self.outcomes.close()
        self.decisions.close()

    def write(self, outcome: Outcome) -> None:
        """Write the outcome of a request."""
        self.outcomes.write(_encode(outcome) + b"\n")


_encode = msgspec.json.Encoder().encode
_run = _Run()
atexit.register(_run.close)


class Caller(FastHttpUser):
    """An instance of a microservice with a pool of connections."""

    host = _run.plan.url
    concurrency = 8  # with a hundred callers below 1,024 requests at a time, which is the default limit of Envoy
    network_timeout = _run.plan.patience
    connection_timeout = _run.plan.patience

    def on_start(self) -> None:
        """Take the next caller's schedule."""
        # Begin at a random point of the interval, so that callers don't send at the same time.
        self._dues = _run.plan.dues(next(_run.callers), random.random())  # noqa: S311  no secret

    @task
    def ask(self) -> None:
        """Wait until the next request is due, and send it without waiting for its answer."""
        due = next(self._dues, None)
        if due is None:
            gevent.sleep(3600)  # until the run is over
            return
        gevent.sleep(max(0.0, due - time.time()))
        gevent.spawn(self._ask, due, next(_run.order))

    def _ask(self, due: float, place: int) -> None:
        late = time.time() - due
        payload, number = _run.payloads[place], next(_run.numbers)
        _run.under_way[number] = due, payload.kind
        response, again = self._send(due, place)
        took = time.time() - due
        failed, wrong = "", ""
        decisions: tuple[str, ...] = ()
        expected = payload.statuses[0] if payload.path == SINGLE else 200
        if response.status_code == expected:
            decisions, wrong = _run.checker.check(place, payload, response.content)
        elif payload.kind == "faulty" and response.status_code == 200:
            wrong = "a request that must be refused was answered"
        else:
            failed = f"{response.status_code or ''} {response.text or response.error}".strip()[:300]
        self._tell(response, took, failed or wrong)
        status = response.status_code
        _run.write(Outcome(due, 1000 * took, 1000 * late, payload.kind, status, again, len(decisions), failed, wrong))
        for identity in decisions:
            _run.decisions.write(identity.encode() + b"\n")
        del _run.under_way[number]

    def _send(self, due: float, place: int) -> tuple[Any, int]:
        """Send until the response has no Retry-After or the patience is over; return it, and the number of retries."""
        payload, body, again = _run.payloads[place], _run.bodies[place], 0
        send: Any = self.client.request  # its types don't include bytes, which it accepts
        while True:
            response = send(
                "POST", payload.path, name=payload.kind, data=body, headers=_run.headers, catch_response=True
            )
            back = response.headers.get("retry-after", "") if response.status_code in _COME_BACK else ""
            if not back.isdigit():
                return response, again
            # Vary the wait, so that callers don't retry together.
            wait = int(back) * random.uniform(1, 1.5)  # noqa: S311  no secret
            if time.time() + wait > due + _run.plan.patience:
                return response, again
            again += 1
            gevent.sleep(wait)

    @staticmethod
    def _tell(response: Any, took: float, fault: str) -> None:
        """Report to Locust the time since a request was due, and the verdict."""
        with response:
            response.request_meta["response_time"] = 1000 * took
            if fault:
                response.failure(fault)
            else:
                response.success()


class Steps(LoadTestShape):
    """Creates the callers of each stage shortly before it begins; ends after the last answer."""

    def tick(self) -> tuple[int, float] | None:
        """Return the number of callers, and how many to create in a second: all."""
        now = time.time()
        plan = _run.plan
        if now > plan.ends + 0.2 and (not _run.under_way or now > plan.ends + plan.patience + 5):
            return None
        callers = _run.plan.mine(now + _AHEAD, _run.part)
        return callers, float(callers)
