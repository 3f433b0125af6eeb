"""Jobs in the store, for every process that shares it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from customer_risk.serving.bulk.jobs.results import packed, unpack
from customer_risk.serving.bulk.jobs.types import FINAL, Job
from customer_risk.serving.errors import NotFound

if TYPE_CHECKING:
    from customer_risk.serving.store.interface import Store

_END_SECONDS: Final = 0.1  # how long `end` may delete
_TIDY_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.005
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Job).decode


class JobRepository:
    """Jobs, their pieces of input and results, and their leases; `clock` returns seconds since 1970."""

    def __init__(self, store: Store, *, lease_seconds: float = 15, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._lease = lease_seconds
        self.clock = clock

    def add(self, job: Job) -> None:
        """Add a job, whose input is stored, for a worker to take."""
        self._store.put(f"job/{job.job_id}", _encode(job), seconds=self._left(job))
        self._store.put(f"open/{job.job_id}", b"", seconds=self._left(job))

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None if it is unknown or has expired."""
        kept = self._store.get(f"job/{job_id}")
        return None if kept is None else _decode(kept)

    def of(self, caller: str) -> list[Job]:
        """Return a caller's jobs, the oldest first."""
        jobs = []
        for key in self._store.keys("job/"):
            with suppress(msgspec.MsgspecError):  # written by a newer version
                job = self.get(key.removeprefix("job/"))
                if job is not None and job.caller == caller:
                    jobs.append(job)
        return jobs

    def change(self, job_id: str, **fields: Any) -> Job | None:
        """Change a job unless it has ended; return the current job, or None if it is unknown."""
        while True:
            kept = self._store.get(f"job/{job_id}")
            if kept is None:
                return None
            job = _decode(kept)
            if job.state in FINAL:
                return job
            changed = msgspec.structs.replace(job, **fields)
            if self._store.replace(f"job/{job_id}", kept, _encode(changed), seconds=self._left(job)):
                return changed

    def end(self, job_id: str, **fields: Any) -> Job | None:
        """End a job; delete its input, and its results unless it is done.

        A caller waits for this, so deleting stops after a tenth of a second; `tidy` deletes the rest.
        """
        job = self.change(job_id, ended=self.clock(), **fields)
        if job is not None:
            prefixes = [f"in/{job_id}/"] if job.state == "done" else [f"in/{job_id}/", f"out/{job_id}/"]
            if not self._drop(prefixes, seconds=_END_SECONDS):
                self._store.put(f"gone/{job_id}", " ".join(prefixes).encode(), seconds=self._left(job))
        self._store.remove(f"open/{job_id}")
        return job

    def tidy(self) -> bool:
        """Delete a part of the data that ended jobs left behind; return whether there was any."""
        for key in self._store.keys("gone/"):
            if self._drop((self._store.get(key) or b"").decode().split(), seconds=_TIDY_SECONDS):
                self._store.remove(key)
            return True
        return False

    def put_input(self, job_id: str, place: int, piece: bytes, *, seconds: float) -> None:
        """Store a piece of input."""
        self._store.put(f"in/{job_id}/{place:08d}", piece, seconds=seconds)

    def drop_input(self, job_id: str) -> None:
        """Delete the input of an upload that didn't become a job."""
        self._drop([f"in/{job_id}/"], seconds=math.inf)

    def input(self, job: Job, place: int) -> bytes | None:
        """Return a piece of input."""
        return self._store.get(f"in/{job.job_id}/{place:08d}")

    def put_results(self, job: Job, place: int, lines: bytes) -> None:
        """Store a piece's results; incomplete ones of another worker are replaced."""
        self._store.put(f"out/{job.job_id}/{place:08d}", lines, seconds=self._left(job))

    def require_results(self, job: Job) -> None:
        """Raise NotFound if the store has lost a piece of a job's results; also raises StoreUnavailable."""
        if len(self._store.keys(f"out/{job.job_id}/")) < job.next_piece:
            raise _results_lost()

    def results(self, job: Job) -> Iterator[bytes]:
        """Return the results in chunks; those of compressed pieces have at most a megabyte.

        The iterator raises NotFound at a piece that the store has lost; so does that of `packed_results`.
        """
        return chain.from_iterable(map(unpack, self._results(job)))

    def packed_results(self, job: Job) -> Iterator[bytes]:
        """Return the results, piece by piece, each compressed by gzip."""
        return map(packed, self._results(job))

    def _results(self, job: Job) -> Iterator[bytes]:
        for place in range(job.next_piece):
            piece = self._store.get(f"out/{job.job_id}/{place:08d}")
            if piece is None:  # without it, the client would take the rest for all results
                raise _results_lost()
            yield piece

    def open(self) -> list[str]:
        """Return the ids of the jobs that wait for a worker or have one, the oldest first."""
        return [key.removeprefix("open/") for key in self._store.keys("open/")]

    def waiting(self) -> tuple[int, float]:
        """Return the number of open jobs, and the seconds since the oldest of them was submitted."""
        open_jobs = self.open()
        for job_id in open_jobs:  # the oldest first; one may end meanwhile
            with suppress(msgspec.MsgspecError):  # written by a newer version
                if (job := self.get(job_id)) is not None:
                    return len(open_jobs), max(0.0, self.clock() - job.created)
        return 0, 0.0

    def probe(self) -> None:
        """Read one key; raises StoreUnavailable if the store can't be used."""
        self._store.get("probe")

    def taken(self, job_id: str) -> bool:
        """Return whether a worker holds the lease of a job."""
        return self._store.get(f"lease/{job_id}") is not None

    def take(self, job_id: str) -> bytes | None:
        """Take the lease of a job; return its nonce, None if another worker has it."""
        nonce = os.urandom(16)
        return nonce if self._store.add(f"lease/{job_id}", nonce, seconds=self._lease) else None

    def renew(self, job_id: str, nonce: bytes) -> bool:
        """Renew the lease; return whether this worker still had it."""
        key = f"lease/{job_id}"
        # If the lease expired while this process was suspended, take it again, unless another worker has it.
        return self._store.replace(key, nonce, nonce, seconds=self._lease) or self._store.add(
            key, nonce, seconds=self._lease
        )

    def release(self, job_id: str, nonce: bytes) -> None:
        """Release the lease."""
        self._store.remove(f"lease/{job_id}", nonce)

    def _drop(self, prefixes: Iterable[str], *, seconds: float) -> bool:
        """Delete all keys with these prefixes in short steps; return whether none was left before the time was up."""
        deadline = time.monotonic() + seconds
        for prefix in prefixes:
            while self._store.drop(prefix):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_PAUSE_SECONDS)  # let other users of the store run
        return True

    def _left(self, job: Job) -> float:
        return max(1.0, job.expires - self.clock())


def _results_lost() -> NotFound:
    return NotFound("The store has lost a part of the results.", remedy="Send the file again.")
