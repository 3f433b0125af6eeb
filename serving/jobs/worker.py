"""The process that works on jobs, told what by its standard input; see `serving.jobs.__main__`."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from model.errors import CustomerRiskError, InputError
from model.scoring.bundle import load_bundle
from serving.answer import render
from serving.errors import Later
from serving.items import BatchItem
from serving.jobs import reading
from serving.jobs.board import Board
from serving.jobs.types import Job, JobSettings
from serving.making import make_service
from serving.problem import UNEXPECTED, document_of
from serving.process.reload import identity
from serving.record.recorder import Recorder, recording
from serving.record.settings import RecordSettings
from serving.rules.settings import RuleSettings
from serving.store.settings import StoreSettings, open_store
from serving.store.store import StoreUnavailable

if TYPE_CHECKING:
    from serving.service import Service

_LOOK_SECONDS: Final = 0.2
_ROUTE: Final = "/ai/v1/risk/jobs"
_PAUSE_SECONDS: Final = 2.0  # where the store or the bundle can't be had
_encode: Final = msgspec.json.Encoder().encode
_log = logging.getLogger("serving.jobs")


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process is told: which bundle, which store, which rules."""

    bundle: str
    folder: str
    model_name: str
    jobs: JobSettings
    store: StoreSettings
    rules: RuleSettings
    record: RecordSettings


class InputLost(Later):
    """Input that the store kept isn't there."""


class Desk:
    """Answers the rows of one job after the other; `stopping()` says when to leave off between two pieces.

    A piece's decisions are recorded by `recorder` before its results are kept.
    """

    def __init__(
        self,
        board: Board,
        service: Service,
        stopping: Callable[[], bool],
        *,
        lease_seconds: float,
        recorder: Recorder | None = None,
    ) -> None:
        self._board = board
        self._service = service
        self._stopping = stopping
        self._lease = lease_seconds
        self._recorder = recorder

    def work(self) -> bool:
        """Take a job that nobody works on, and work on it; tell whether there was one."""
        for job_id in self._board.open():
            nonce = self._board.take(job_id)
            if nonce is None:
                continue
            with _kept(self._board, job_id, nonce, self._lease):
                self._work_on(job_id)
            return True
        return False

    def _work_on(self, job_id: str) -> None:
        job = self._board.get(job_id)
        if job is None or job.state in {"done", "failed", "cancelled"}:
            self._board.end(job_id)
            return
        try:
            self._answer(job)
        except (InputError, InputLost) as error:  # the file isn't what it says; or gone, as that of a cancelled job is
            _, problem = document_of(error)
            self._board.end(job_id, state="failed", problem=problem)

    def _answer(self, job: Job) -> None:
        if job.format != "ndjson":
            converted = self._converted(job)
            if converted is None:
                return
            job = converted
        now = self._board.clock()
        changed: Job | None = self._board.change(job.job_id, state="running", started=job.started or now)
        while changed is not None and changed.state == "running":
            if changed.next_piece == changed.pieces:
                self._board.end(job.job_id, state="done", rows=changed.done)
                return
            if self._stopping():
                return
            piece = self._board.input(changed, changed.next_piece)
            if piece is None:
                raise InputLost("A part of the input is gone.", remedy="Send the file again.")
            lines = [self._line(line, changed) for line in reading.lines_of(piece)]
            if self._recorder is not None:
                self._recorder.settle()
            self._board.put_results(changed, changed.next_piece, b"".join(line for line, _ in lines))
            changed = self._board.change(
                job.job_id,
                next_piece=changed.next_piece + 1,
                done=changed.done + len(lines),
                failed=changed.failed + sum(not good for _, good in lines),
            )
        self._board.end(job.job_id)  # it has ended meanwhile: results that were on their way go too

    def _converted(self, job: Job) -> Job | None:
        """Put pieces of NDJSON in the place of another form's; None where the job ended meanwhile."""
        make = reading.from_csv if job.format == "csv" else reading.from_parquet
        pieces, rows = 0, 0
        raw = (self._board.input(job, place) or b"" for place in range(job.pieces))
        left = max(1.0, job.expires - self._board.clock())
        for pieces, piece in enumerate(make(raw), 1):
            self._board.put_input(f"{job.job_id}/lines", pieces - 1, piece, seconds=left)
            rows += len(reading.lines_of(piece))
        for place in range(max(pieces, job.pieces)):  # only now: a worker that dies meanwhile begins anew
            piece_of = self._board.input(msgspec.structs.replace(job, job_id=f"{job.job_id}/lines"), place)
            if piece_of is not None and place < pieces:
                self._board.put_input(job.job_id, place, piece_of, seconds=left)
        changed = self._board.change(job.job_id, format="ndjson", pieces=pieces, rows=rows)
        self._board.drop_input(f"{job.job_id}/lines")
        return changed if changed is not None and changed.state in {"queued", "running"} else None

    def _line(self, line: bytes, job: Job) -> tuple[bytes, bool]:
        try:
            answer = self._service.answer(line)
            if self._recorder is not None:
                self._recorder.decided(answer, caller=job.caller, route=_ROUTE, trace=None, took=-1)
            item = BatchItem(status=200, answer=render(answer, explain=job.explain))
        except Later:  # of no model, or no record: the row isn't to blame
            raise
        except Exception as error:  # noqa: BLE001  a bad row is told as one; the others are answered
            kind, problem = document_of(error)
            if kind is UNEXPECTED:
                _log.error("a row failed", exc_info=error)
            if self._recorder is not None:
                self._recorder.refused(error, caller=job.caller, route=_ROUTE, trace=None)
            item = BatchItem(status=kind.status.value, problem=problem)
        return _encode(item) + b"\n", item.status == 200


@contextlib.contextmanager
def _kept(board: Board, job_id: str, nonce: bytes, lease_seconds: float) -> Iterator[None]:
    """Renew a lease from a thread while the context lasts, and give it back."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(lease_seconds / 3):
            with contextlib.suppress(StoreUnavailable):
                board.renew(job_id, nonce)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with contextlib.suppress(StoreUnavailable):
            board.release(job_id, nonce)


def work() -> None:
    """Work until standard input ends, which is when the server does."""
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    over = threading.Event()
    threading.Thread(target=_watch, args=(over,), daemon=True).start()
    service = make_service(orders.model_name, orders.rules)
    store = open_store(orders.store, Path(orders.folder))
    board = Board(store, lease_seconds=orders.jobs.lease_seconds)
    make = recording(orders.record)
    recorder = None if make is None else make(lambda: _log.error("a decision of a job went unrecorded"))
    desk = Desk(board, service, over.is_set, lease_seconds=orders.jobs.lease_seconds, recorder=recorder)
    bundle, seen = Path(orders.bundle), None
    while not over.is_set():
        try:
            standing = identity(bundle)
            if standing != seen:
                seen = standing
                service.use(load_bundle(bundle.resolve()))
            if not (service.answering and desk.work()):
                over.wait(_LOOK_SECONDS)
        except CustomerRiskError as error:
            _log.warning("jobs wait: %s", error)
            over.wait(_PAUSE_SECONDS)
    if recorder is not None:
        recorder.close()


def _watch(over: threading.Event) -> None:
    sys.stdin.buffer.read()
    over.set()
