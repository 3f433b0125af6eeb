"""Several workers on one port, forked from a parent that has loaded all data, so that they share memory."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from customer_risk.serving.backoff import Backoff

_FRESH_SECONDS: Final = 10  # a worker that dies younger than this is restarted more and more slowly
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 10.0
_LATE_SECONDS: Final = 10  # beyond the drain and grace periods, before a worker is killed

_PR_SET_PDEATHSIG: Final = 1
_log = logging.getLogger("serving")


class Lost(Protocol):
    """Is notified of workers that ended."""

    def __call__(self, pid: int, /, *, died: bool) -> object:
        """Handle the end of a worker; it `died` unless the server is ending."""


@dataclass
class _Slot:
    """One worker: its socket, its process, its start time, and when its successor may start (monotonic seconds).

    `died_young` says whether its last process died within _FRESH_SECONDS.
    """

    listening: socket.socket
    pid: int = 0
    since: float = 0.0
    due: float = 0.0
    died_young: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_WAIT, _LONGEST_WAIT))


class Supervisor:
    """Forks a worker for each of `sockets`, which runs `work(socket)`; forks another one when a worker dies.

    The parent keeps the sockets open, so connections that arrive while a worker is replaced wait for the next worker.
    The parent runs no event loop and no thread, so forking is safe. It forwards SIGTERM, SIGINT and SIGHUP to all
    workers. It ends after the last worker, at most `patience` seconds after the signal. `lost(pid, died=...)` is
    called for each worker that ended; it `died` unless the server is ending.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        work: Callable[[socket.socket], None],
        *,
        patience: float,
        lost: Lost = lambda *_, **__: None,
    ) -> None:
        self._slots = [_Slot(each) for each in sockets]
        self._work = work
        self._patience = patience + _LATE_SECONDS
        self._lost = lost
        self._ending: float | None = None
        self._waking: tuple[int, int] = (-1, -1)

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; return the number of workers that had to be killed."""
        self._waking = os.pipe()
        for end in self._waking:
            os.set_blocking(end, False)
        before = signal.set_wakeup_fd(self._waking[1], warn_on_full_buffer=False)
        handlers = {
            signal.SIGCHLD: lambda *_: None,
            signal.SIGHUP: lambda *_: self._signal(signal.SIGHUP),
            signal.SIGTERM: lambda *_: self._end(signal.SIGTERM),
            signal.SIGINT: lambda *_: self._end(signal.SIGTERM),
        }
        kept = {each: signal.signal(each, handler) for each, handler in handlers.items()}
        try:
            return self._supervise()
        finally:
            for each, handler in kept.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(before)
            for end in self._waking:
                os.close(end)

    def _supervise(self) -> int:
        killed = 0
        while True:
            self._note_ended()
            now = time.monotonic()
            if self._ending is None:
                for slot in self._slots:
                    if not slot.pid and slot.due <= now:
                        self._fork(slot)
            elif not any(slot.pid for slot in self._slots):
                return killed
            elif now > self._ending:
                killed += self._signal(signal.SIGKILL)
            select.select([self._waking[0]], [], [], 0.2)
            while True:
                try:
                    if len(os.read(self._waking[0], 512)) < 512:
                        break
                except BlockingIOError:
                    break

    def _fork(self, slot: _Slot) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            slot.pid, slot.since = pid, time.monotonic()
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            _die_with_parent()
            # SIGHUP would kill the child before its handler is installed: block it until `Worker` has installed one.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            for each in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)
            for end in self._waking:
                os.close(end)
            for other in self._slots:
                if other is not slot:
                    other.listening.close()
            self._work(slot.listening)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # noqa: BLE001  the parent must not go on in a second process
            _log.exception("a worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # don't run the parent's cleanup in the child

    def _note_ended(self) -> None:
        """Note every worker that ended, and when its successor may start."""
        for slot in self._slots:
            if not slot.pid:
                continue
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if not pid:
                continue
            slot.pid, now = 0, time.monotonic()
            self._lost(pid, died=self._ending is None)
            if self._ending is None:
                young = now - slot.since < _FRESH_SECONDS
                wait = slot.backoff.next() if young and slot.died_young else 0.0
                if not young:
                    slot.backoff.reset()
                slot.died_young = young
                slot.due = now + wait
                code = os.waitstatus_to_exitcode(status)
                _log.error("worker %d ended with %d; another takes its place in %.1f s", pid, code, wait)

    def _signal(self, signal_: signal.Signals) -> int:
        """Send a signal to every worker; return the number of workers."""
        pids = [slot.pid for slot in self._slots if slot.pid]
        for pid in pids:
            os.kill(pid, signal_)
        return len(pids)

    def _end(self, signal_: signal.Signals) -> None:
        if self._ending is None:
            self._ending = time.monotonic() + self._patience
        self._signal(signal_)


def _die_with_parent() -> None:
    """Have the kernel send SIGTERM to this worker when its parent dies; otherwise it would keep the port."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):  # Linux
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
