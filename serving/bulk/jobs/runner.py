"""The worker process of jobs, started by `customer_risk.serving.bulk.jobs.__main__`; its configuration is its input."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.bulk.exchange import bulk_exchange
from customer_risk.serving.bulk.jobs import readers
from customer_risk.serving.bulk.jobs.factory import open_file
from customer_risk.serving.bulk.jobs.readers import FileReader, Interrupted, Lines
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.results import pack
from customer_risk.serving.bulk.jobs.types import FINAL, Job, JobSettings
from customer_risk.serving.contract.batch import BatchItem
from customer_risk.serving.contract.problem import UNEXPECTED, document_of
from customer_risk.serving.decisions.factory import create_service
from customer_risk.serving.decisions.fallback.settings import RuleSettings
from customer_risk.serving.decisions.reload import identity
from customer_risk.serving.decisions.verification import load_verified
from customer_risk.serving.errors import BodyTooLarge, Later, StoreUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import NotAnswered, Outcome, Refused, RequestContext
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.store.factory import open_store
from customer_risk.serving.store.settings import StoreSettings
from customer_risk.serving.telemetry.logs import LogSettings, configure

_LOOK_SECONDS: Final = 0.2
_WATCH_SECONDS: Final = 0.2
_TIDY_SECONDS: Final = 1.0  # between two checks for data that ended jobs left behind
_MOST_ATTEMPTS: Final = 2
_MOST_OPEN: Final = 2  # Parquet files: each takes disk space and memory
_ROUTE: Final = "/ai/v1/risk/jobs"
_END_SECONDS: Final = 10.0  # after the end of the server; the server itself has as long
_PAUSE_SECONDS: Final = 2.0  # if the store or the bundle is unavailable
_UNEXPECTED: Final = (
    "The job failed because of an error in the service. Send the file again; if it fails again, tell the service's"
    " owners."
)
_ENDED_TWICE: Final = (
    "The worker ended twice while working on this job, after its first {:,} rows. It may need more memory"
    " than there is. Send the file in smaller parts, or as NDJSON; if that fails too, tell the service's owners."
)
_TOO_LARGE: Final = BodyTooLarge(
    f"The answer has more than {readers.MOST_RESULT:,} bytes.", remedy="Leave out unknown fields."
)
_TOO_MUCH_MEMORY: Final = BodyTooLarge(
    "The job needs more memory than allowed (jobs.most_memory_bytes).",
    remedy="Write the file with smaller row groups, or with fewer bytes a row.",
)
_encode: Final = msgspec.json.Encoder().encode
_log = logging.getLogger("serving.jobs")


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a worker process."""

    bundle: str
    folder: str
    model_name: str
    jobs: JobSettings
    store: StoreSettings
    rules: RuleSettings
    record: RecordSettings
    logs: LogSettings


class InputLost(Later):
    """The store has lost input."""


class WorkStopped(CustomerRiskError):
    """Work on a job was stopped: the job has ended, another worker has it, or this worker is to stop."""

    def __init__(self) -> None:
        super().__init__("Work on this job was stopped.", remedy="Nothing needs to be done.")


class LeaseRenewal:
    """Renews a job's lease from a thread while the context lasts, and then releases the lease.

    `left` becomes true once the job has ended, another worker has its lease, or `stopping()` is true; `late` once
    reading takes too long. In both cases the reader of the job's file is interrupted.
    """

    def __init__(
        self,
        repository: JobRepository,
        job_id: str,
        nonce: bytes,
        stopping: Callable[[], bool],
        *,
        lease_seconds: float,
    ) -> None:
        self.left = False
        self.late = False
        self._repository = repository
        self._job_id = job_id
        self._nonce = nonce
        self._stopping = stopping
        self._lease = lease_seconds
        self._reader: FileReader | None = None
        self._deadline = math.inf
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_left, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with contextlib.suppress(StoreUnavailable):
            self._repository.release(self._job_id, self._nonce)

    def check(self) -> None:
        """Raise WorkStopped if work on the job is to stop."""
        if self.left:
            raise WorkStopped

    @contextlib.contextmanager
    def reading(self, reader: FileReader, seconds: float) -> Iterator[None]:
        """Interrupt a reader after `seconds`, or once work on the job is to stop, while the context lasts."""
        self._deadline = time.monotonic() + seconds
        self._reader = reader
        try:
            yield
        finally:
            self._reader = None
            self._deadline = math.inf

    def _renew_until_left(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(min(_WATCH_SECONDS, self._lease / 3)):
            with contextlib.suppress(StoreUnavailable, msgspec.MsgspecError):
                if time.monotonic() - renewed >= self._lease / 3:
                    renewed = time.monotonic()
                    self.left |= not self._repository.renew(self._job_id, self._nonce)
                job = self._repository.get(self._job_id)
                self.left |= job is None or job.state in FINAL
            self.left |= self._stopping()
            self.late |= time.monotonic() > self._deadline
            reader = self._reader
            if reader is not None and (self.left or self.late):
                reader.interrupt()


class JobRunner:
    """Answers the rows of jobs; clients take turns. `stopping()` returns whether to stop.

    A turn is about half a second of work, longer if no other client's job waits. A piece's decisions are recorded
    before its results are kept.
    """

    def __init__(
        self,
        repository: JobRepository,
        exchange: Exchange,
        stopping: Callable[[], bool],
        *,
        settings: JobSettings,
        turn_seconds: float = 0.5,
    ) -> None:
        self._repository = repository
        self._exchange = exchange
        self._stopping = stopping
        self._settings = settings
        self._turn_seconds = turn_seconds
        self._turns = 0
        self._tidy_at = -math.inf
        self._callers: dict[str, str] = {}  # of the open jobs
        self._served: dict[str, int] = {}  # the last turn of each caller
        self._begun_before: set[str] = set()  # by a process that has ended
        self._later: dict[str, float] = {}  # times before which jobs can't be worked on
        self._readers: dict[str, FileReader] = {}  # open files, the last used at the end

    def work(self) -> bool:
        """Take a turn at a job that no worker has; return whether there was one, or anything to delete.

        Raises MemoryError if memory ran out: the open files of other jobs may use it. The job is left to another
        process, which takes it before other jobs; if its memory runs out too, the job fails.
        """
        tidied = False
        if time.monotonic() >= self._tidy_at:
            tidied = self._repository.tidy()
            self._tidy_at = time.monotonic() + (0 if tidied else _TIDY_SECONDS)
        for job_id in self._waiting():
            nonce = self._repository.take(job_id)
            if nonce is None:
                continue
            self._turns += 1
            self._begun_before.discard(job_id)
            self._served[self._callers[job_id]] = self._turns
            lease = self._settings.lease_seconds
            with LeaseRenewal(self._repository, job_id, nonce, self._stopping, lease_seconds=lease) as watch:
                self._work_on(job_id, watch)
            return True
        return tidied

    def close(self) -> None:
        """Close the open files."""
        for job_id in tuple(self._readers):
            self._close(job_id)

    def _waiting(self) -> list[str]:
        """Return the open jobs that can be worked on.

        Jobs that another process left unfinished are first, then those of the caller whose last turn is longest ago.
        """
        found = self._repository.open()
        for job_id in self._callers.keys() - set(found):
            del self._callers[job_id]
            self._later.pop(job_id, None)
            self._begun_before.discard(job_id)
            self._close(job_id)
        for job_id in found:
            if job_id not in self._callers:
                job = None
                with contextlib.suppress(msgspec.MsgspecError):  # of a newer version: the job fails at its turn
                    job = self._repository.get(job_id)
                self._callers[job_id] = "" if job is None else job.caller
                if job is not None and job.attempts:
                    self._begun_before.add(job_id)
        names = set(self._callers.values())
        self._served = {name: turn for name, turn in self._served.items() if name in names}
        now = time.monotonic()
        ready = [job_id for job_id in found if self._later.get(job_id, 0) <= now]
        return sorted(ready, key=self._order)

    def _order(self, job_id: str) -> tuple[bool, int, str]:
        return job_id not in self._begun_before, self._served.get(self._callers[job_id], 0), job_id

    def _others_wait(self, job: Job) -> bool:
        """Return whether another caller has a job that no worker has."""
        waiting = self._waiting()
        return any(self._callers[each] != job.caller and not self._repository.taken(each) for each in waiting)

    def _work_on(self, job_id: str, watch: LeaseRenewal) -> None:
        try:
            try:
                self._take_turn(job_id, watch)
            except WorkStopped:
                self._close(job_id)
                if self._ended(job_id):
                    self._repository.end(job_id)
                else:
                    self._repository.change(job_id, attempts=0)
            except InputLost as error:  # a cancelled job's input is gone too; it stays cancelled
                self._fail(job_id, error)
            except Later:
                self._repository.change(job_id, attempts=0)  # the job didn't cause it
                raise
            except MemoryError:
                if not self._tried_often(job_id):
                    _log.warning("the job %s needs more memory than is left", job_id)
                    raise
                self._fail(job_id, _TOO_MUCH_MEMORY)
            except Exception as error:  # noqa: BLE001  any error fails only this job
                self._fail(job_id, error)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  work continues with other jobs
            self._later[job_id] = time.monotonic() + _PAUSE_SECONDS
            self._close(job_id)
            _log.warning("the job %s waits: %s", job_id, error)

    def _fail(self, job_id: str, error: Exception, *, unexpected: str = _UNEXPECTED) -> None:
        """End a job with an error's problem; that of an unexpected error has the detail `unexpected`."""
        kind, problem = document_of(error)
        if kind is UNEXPECTED:
            _log.error("the job %s failed", job_id, exc_info=error)
            problem = msgspec.structs.replace(problem, detail=unexpected)
        self._close(job_id)
        self._repository.end(job_id, state="failed", problem=problem)

    def _tried_often(self, job_id: str) -> bool:
        job = self._repository.get(job_id)
        return job is not None and job.attempts >= _MOST_ATTEMPTS

    def _ended(self, job_id: str) -> bool:
        job = self._repository.get(job_id)
        return job is None or job.state in FINAL

    def _take_turn(self, job_id: str, watch: LeaseRenewal) -> None:
        job = self._repository.get(job_id)
        if job is None or job.state in FINAL:
            self._repository.end(job_id)
            return
        if job.attempts >= _MOST_ATTEMPTS:
            said = _ENDED_TWICE.format(job.done)
            self._fail(job_id, RuntimeError(said), unexpected=said)
            return
        now = self._repository.clock()
        changed = self._repository.change(
            job_id, state="running", started=job.started or now, attempts=job.attempts + 1
        )
        end = time.monotonic() + self._turn_seconds
        while changed is not None and changed.state == "running":
            if self._stopping():
                raise WorkStopped
            read = self._read(changed, watch)
            if read is None:
                self._close(job_id)
                self._repository.end(job_id, state="done", rows=changed.done)
                return
            if read.lines:
                changed = self._answer(changed, read, watch)
            if time.monotonic() >= end:
                if changed is not None and changed.state == "running" and self._others_wait(changed):
                    self._repository.change(job_id, attempts=0)
                    return
                end = time.monotonic() + self._turn_seconds
        self._close(job_id)
        self._repository.end(job_id)  # the job has ended: delete the results that were stored since

    def _answer(self, job: Job, read: Lines, watch: LeaseRenewal) -> Job | None:
        """Answer a piece and store its results; return the changed job."""
        settings, done = self._settings, job.done + len(read.lines)
        read_bytes = job.read_bytes + sum(map(len, read.lines))
        if done > settings.most_rows:
            raise BodyTooLarge(
                f"The file has more than {settings.most_rows:,} rows (jobs.most_rows).", remedy="Split it."
            )
        if read_bytes > settings.most_read_bytes:
            raise readers.read_too_much(settings)
        failed, outcomes = job.failed, []
        context = RequestContext(_ROUTE, Caller(job.caller, frozenset({"explain"} if job.explain else ())))

        def answered() -> Iterator[bytes]:
            nonlocal failed
            for line in read.lines:
                watch.check()
                outcome = self._exchange.answer(line, context, naming=True)
                outcomes.append(_blamed(outcome))
                result, good = _result(outcome)
                failed += not good
                yield result

        results = pack(answered())
        try:
            self._exchange.commit_all(outcomes)
        except NotAnswered as error:
            raise Later(str(error), remedy="The rows are answered again.") from error
        result_bytes = job.result_bytes + len(results)
        if result_bytes > settings.most_result_bytes:
            raise BodyTooLarge(
                f"The results take more than {settings.most_result_bytes:,} bytes (jobs.most_result_bytes).",
                remedy="Split the file.",
            )
        self._repository.put_results(job, job.next_piece, results)
        return self._repository.change(
            job.job_id,
            next_piece=job.next_piece + 1,
            done=done,
            failed=failed,
            at=read.at,
            rows=job.rows if read.rows is None else read.rows,
            read_bytes=read_bytes,
            result_bytes=result_bytes,
            ignored=read.ignored,
            attempts=1,  # the next piece is begun at once
        )

    def _read(self, job: Job, watch: LeaseRenewal) -> Lines | None:
        """Return the next requests, None at the end."""
        if job.format == "ndjson":
            if job.next_piece == job.pieces:
                return None
            return Lines(readers.lines_of(self._piece(job, job.next_piece)), 0, None)
        reader = self._readers.pop(job.job_id, None)
        if reader is None or reader.at != job.at:  # another worker has answered pieces meanwhile
            if reader is not None:
                reader.close()
            costly = [job_id for job_id, each in self._readers.items() if each.costly]
            for job_id in costly[: len(costly) + 1 - _MOST_OPEN]:
                self._close(job_id)
            reader = open_file(job, lambda: (self._piece(job, place) for place in range(job.pieces)), self._settings)
        self._readers[job.job_id] = reader
        with watch.reading(reader, self._settings.most_read_seconds):
            try:
                return reader.read()
            except Interrupted as error:
                watch.check()
                raise BodyTooLarge(
                    f"Reading the next rows took more than {self._settings.most_read_seconds:g} seconds"
                    " (jobs.most_read_seconds).",
                    remedy="Write the file with smaller row groups, or split it.",
                ) from error

    def _piece(self, job: Job, place: int) -> bytes:
        piece = self._repository.input(job, place)
        if piece is None:
            raise InputLost("A part of the input is gone.", remedy="Send the file again.")
        return piece

    def _close(self, job_id: str) -> None:
        reader = self._readers.pop(job_id, None)
        if reader is not None:
            reader.close()


def _blamed(outcome: Outcome) -> Outcome:
    """Return a row's outcome; raises MemoryError, or Later for an error that the row didn't cause."""
    if isinstance(outcome, Refused):
        if isinstance(outcome.unexpected, MemoryError):
            raise outcome.unexpected
        if outcome.retry_after is not None:  # there is no model, or no record
            raise Later(outcome.problem.detail, remedy="The row is answered again.")
    return outcome


def _result(outcome: Outcome) -> tuple[bytes, bool]:
    """Return the line of a row's result, and whether the row was answered."""
    item = outcome.item()
    result = _encode(item) + b"\n"
    if len(result) > readers.MOST_RESULT:
        kind, problem = document_of(_TOO_LARGE)
        named = item.customer_id if item.answer is None else item.answer.customer_id
        item = BatchItem(status=kind.status.value, problem=problem, customer_id=named)
        result = _encode(item) + b"\n"
    return result, item.status == 200


def work() -> None:
    """Work until standard input ends, as it does with the server, or until memory runs out."""
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerConfig)
    configure(config.logs)
    over = threading.Event()
    threading.Thread(target=_watch, args=(over,), daemon=True).start()
    service = create_service(config.model_name, config.rules)
    store = open_store(config.store, Path(config.folder))
    repository = JobRepository(store, lease_seconds=config.jobs.lease_seconds)
    exchange = bulk_exchange(service, config.record, config.logs)
    runner = JobRunner(repository, exchange, over.is_set, settings=config.jobs)
    bundle, seen, bounded = Path(config.bundle), None, False
    while not over.is_set():
        try:
            standing = identity(bundle)
            if standing != seen:
                seen = standing
                service.use(load_verified(bundle.resolve()))
            if service.answering and not bounded:
                bounded = True
                _bound_memory(config.jobs.most_memory_bytes)
            if not (service.answering and runner.work()):
                over.wait(_LOOK_SECONDS)
        except MemoryError:
            _log.warning("the worker ends, as its memory is used up; another one starts")
            break
        except Exception as error:  # noqa: BLE001  a worker that ended would be restarted
            _log.warning("jobs wait: %s", error, exc_info=not isinstance(error, CustomerRiskError))
            over.wait(_PAUSE_SECONDS)
    runner.close()
    exchange.close()


def _bound_memory(more: int) -> None:
    """Limit this process to its present memory and `more` bytes; an allocation beyond that raises MemoryError."""
    with contextlib.suppress(OSError, ValueError, StopIteration):  # not available on every system
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        has = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (has + more, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _watch(over: threading.Event) -> None:
    """End this process some seconds after its server ended, even if its work waits for something."""
    sys.stdin.buffer.read()
    over.set()
    time.sleep(_END_SECONDS)
    _log.warning("the worker ends in the middle of its work: its server ended %g s ago", _END_SECONDS)
    os._exit(1)
