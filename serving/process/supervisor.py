"""Several workers on one port: forked from a parent that has loaded everything, so that they share its memory."""

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
from dataclasses import dataclass
from typing import Final

_FRESH_SECONDS: Final = 10  # a worker that dies younger than this is restarted more and more slowly
_MOST_BACKOFF: Final = 10.0
_LATE_SECONDS: Final = 10  # beyond drain and grace before a worker is killed

_PR_SET_PDEATHSIG: Final = 1
_log = logging.getLogger("serving")


@dataclass
class _Place:
    """One worker's place: its socket, who holds it, since when, and when the next may take it."""

    listening: socket.socket
    pid: int = 0
    since: float = 0.0
    deaths: int = 0
    due: float = 0.0


class Supervisor:
    """Forks a worker for each of `sockets`, which runs `work(socket)`, and another whenever one dies.

    The parent holds the sockets, so connections that arrive while a worker is being replaced wait for the next one. It
    runs no event loop and no thread: what it has loaded before is safe to fork. SIGTERM, SIGINT and SIGHUP go on to
    all workers; it ends after the last one, at most `patience` seconds later. `lost(pid)` is called for each.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        work: Callable[[socket.socket], None],
        *,
        patience: float,
        lost: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._places = [_Place(each) for each in sockets]
        self._work = work
        self._patience = patience + _LATE_SECONDS
        self._lost = lost
        self._ending: float | None = None
        self._waking: tuple[int, int] = (-1, -1)

    def run(self) -> int:
        """Supervise until a signal ends it; return how many workers had to be killed then."""
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
            self._bury()
            now = time.monotonic()
            if self._ending is None:
                for place in self._places:
                    if not place.pid and place.due <= now:
                        self._fork(place)
            elif not any(place.pid for place in self._places):
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

    def _fork(self, place: _Place) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            place.pid, place.since = pid, time.monotonic()
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            _die_with_parent()
            # SIGHUP would end the child before `Worker` has its handler; blocked, it waits.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            for each in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)
            for end in self._waking:
                os.close(end)
            for other in self._places:
                if other is not place:
                    other.listening.close()
            self._work(place.listening)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # noqa: BLE001  the parent must not go on in a second process
            _log.exception("a worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # the parent's own ends are the parent's to tie up

    def _bury(self) -> None:
        """Take note of every worker that ended."""
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if not pid:
                continue
            place.pid, now = 0, time.monotonic()
            self._lost(pid)
            if self._ending is None:
                place.deaths = place.deaths + 1 if now - place.since < _FRESH_SECONDS else 0
                wait = min(_MOST_BACKOFF, 2.0 ** (place.deaths - 2)) if place.deaths > 1 else 0.0
                place.due = now + wait
                code = os.waitstatus_to_exitcode(status)
                _log.error("worker %d ended with %d; another takes its place in %.1f s", pid, code, wait)

    def _signal(self, signal_: signal.Signals) -> int:
        """Send a signal to every worker; return how many there are."""
        there = [place.pid for place in self._places if place.pid]
        for pid in there:
            os.kill(pid, signal_)
        return len(there)

    def _end(self, signal_: signal.Signals) -> None:
        if self._ending is None:
            self._ending = time.monotonic() + self._patience
        self._signal(signal_)


def _die_with_parent() -> None:
    """Have the kernel end this worker in order when its parent is killed: nobody else would, and it held the port."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):  # Linux
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
