"""Callers of the service, for Locust: each sends on its own schedule, whatever the answers do.

Locust's own waiting times count from the end of a request, so that a slow answer delays the next question, and what
would have been sent meanwhile is never timed ("coordinated omission"). A caller here is an instance of a microservice:
its requests are due at fixed times, leave on a connection of its pool, and are timed from when they were due. An answer
that says to come back (429 or 503 with Retry-After) is obeyed, with the clock running, as the service's client does.

Run by loadtest.generator; Locust patches the process it is imported in, so nothing else imports this module.
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

_AHEAD: Final = 2.5  # seconds before a stage that its callers are made: Locust looks once a second
_COME_BACK: Final = frozenset({429, 503})


def _take_precedence() -> None:
    """Go before the rest of the machine, where that is allowed: a generator that queues for the CPU measures itself.

    Where Linux groups processes by session, the group's priority is what counts.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        Path("/proc/self/autogroup").write_text("-10")


class _Run:
    """What the callers of this process share."""

    def __init__(self) -> None:
        _take_precedence()
        self.plan, self.part = Plan.await_mine()
        self.payloads: list[Payload] = load_payloads(Path(self.plan.payloads))
        self.bodies = [bytes(payload.body) for payload in self.payloads]
        self.checker = Checker(self.plan.minimum_patterns)
        # Places in the shared list of requests, so that each process walks through all of it.
        self.order = itertools.cycle(random.Random(self.part).sample(range(len(self.payloads)), len(self.payloads)))  # noqa: S311  no secret
        self.callers = itertools.count(self.part, self.plan.processes)
        self.under_way: dict[int, tuple[float, str]] = {}  # by number of request: when due, and the kind
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
        """Count as failed whatever has no answer by now, and close the files."""
        for due, kind in self.under_way.values():
            took = 1000 * (time.time() - due)
            self.write(Outcome(due, took, 0.0, kind, 0, 0, 0, "no answer by the end of the run", ""))
        self.outcomes.close()
        self.decisions.close()

    def write(self, outcome: Outcome) -> None:
        """Keep what became of a request."""
        self.outcomes.write(_encode(outcome) + b"\n")


_encode = msgspec.json.Encoder().encode
_run = _Run()
atexit.register(_run.close)


class Caller(FastHttpUser):
    """An instance of a microservice with a pool of connections."""

    host = _run.plan.url
    concurrency = (
        8  # a hundred callers then stay below the 1,024 requests at a time that Envoy passes on unless told otherwise
    )
    network_timeout = _run.plan.patience
    connection_timeout = _run.plan.patience

    def on_start(self) -> None:
        """Take the next caller's schedule."""
        # By chance where in its interval it begins, so that callers don't march in step.
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
            wrong = "answered what must be refused"
        else:
            failed = f"{response.status_code or ''} {response.text or response.error}".strip()[:300]
        self._tell(response, took, failed or wrong)
        status = response.status_code
        _run.write(Outcome(due, 1000 * took, 1000 * late, payload.kind, status, again, len(decisions), failed, wrong))
        for identity in decisions:
            _run.decisions.write(identity.encode() + b"\n")
        del _run.under_way[number]

    def _send(self, due: float, place: int) -> tuple[Any, int]:
        """Send until the answer isn't to come back, or patience is over; give it, and how often it was."""
        payload, body, again = _run.payloads[place], _run.bodies[place], 0
        send: Any = self.client.request  # its types know no bytes, which it sends as they are
        while True:
            response = send(
                "POST", payload.path, name=payload.kind, data=body, headers=_run.headers, catch_response=True
            )
            back = response.headers.get("retry-after", "") if response.status_code in _COME_BACK else ""
            if not back.isdigit():
                return response, again
            # Not all at once when the time is over.
            wait = int(back) * random.uniform(1, 1.5)  # noqa: S311  no secret
            if time.time() + wait > due + _run.plan.patience:
                return response, again
            again += 1
            gevent.sleep(wait)

    @staticmethod
    def _tell(response: Any, took: float, fault: str) -> None:
        """Give Locust's own statistics the time from when the request was due, and the verdict."""
        with response:
            response.request_meta["response_time"] = 1000 * took
            if fault:
                response.failure(fault)
            else:
                response.success()


class Steps(LoadTestShape):
    """As many callers as the plan's stage wants, made a little ahead of it; over when the last answer is in."""

    def tick(self) -> tuple[int, float] | None:
        """Give the number of callers, and how many to make in a second: all."""
        now = time.time()
        plan = _run.plan
        if now > plan.ends + 0.2 and (not _run.under_way or now > plan.ends + plan.patience + 5):
            return None
        callers = _run.plan.mine(now + _AHEAD, _run.part)
        return callers, float(callers)
