"""Jobs in the store: what any process that shares it can see, take and change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from serving.jobs.types import FINAL, Job

if TYPE_CHECKING:
    from serving.store.store import Store

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Job).decode


class Board:
    """Jobs, their pieces of input and of results, and who works on which; `clock` gives seconds since 1970."""

    def __init__(self, store: Store, *, lease_seconds: float = 15, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._lease = lease_seconds
        self.clock = clock

    def add(self, job: Job) -> None:
        """Put up a job whose input is there, for a worker to take."""
        self._store.put(f"job/{job.job_id}", _encode(job), seconds=self._left(job))
        self._store.put(f"open/{job.job_id}", b"", seconds=self._left(job))

    def get(self, job_id: str) -> Job | None:
        """Find a job; None where there is none, or it has expired."""
        kept = self._store.get(f"job/{job_id}")
        return None if kept is None else _decode(kept)

    def of(self, caller: str) -> list[Job]:
        """List a caller's jobs, the oldest first."""
        found = (self.get(key.removeprefix("job/")) for key in self._store.keys("job/"))
        return [job for job in found if job is not None and job.caller == caller]

    def change(self, job_id: str, **fields: Any) -> Job | None:
        """Change a job unless it has come to an end; gives it as it is afterwards, None where there is none."""
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
        """Bring a job to its end; its input goes, and its results too unless it is done."""
        job = self.change(job_id, ended=self.clock(), **fields)
        self._store.remove(f"open/{job_id}")
        if job is not None:
            for shelf in ("in",) if job.state == "done" else ("in", "out"):
                for key in self._store.keys(f"{shelf}/{job_id}/"):
                    self._store.remove(key)
        return job

    def put_input(self, job_id: str, place: int, piece: bytes, *, seconds: float) -> None:
        """Keep a piece of input."""
        self._store.put(f"in/{job_id}/{place:08d}", piece, seconds=seconds)

    def drop_input(self, job_id: str) -> None:
        """Let go of input that no job came of."""
        for key in self._store.keys(f"in/{job_id}/"):
            self._store.remove(key)

    def input(self, job: Job, place: int) -> bytes | None:
        """Give a piece of input."""
        return self._store.get(f"in/{job.job_id}/{place:08d}")

    def put_results(self, job: Job, place: int, lines: bytes) -> None:
        """Keep a piece's results, in the place of any that a worker left half done."""
        self._store.put(f"out/{job.job_id}/{place:08d}", lines, seconds=self._left(job))

    def results(self, job: Job) -> Iterator[bytes]:
        """Give the results, piece by piece."""
        for place in range(job.pieces):
            yield self._store.get(f"out/{job.job_id}/{place:08d}") or b""

    def open(self) -> list[str]:
        """Name the jobs that wait for a worker or have one, the oldest first."""
        return [key.removeprefix("open/") for key in self._store.keys("open/")]

    def take(self, job_id: str) -> bytes | None:
        """Take the lease of a job: gives its nonce, None where somebody has it."""
        nonce = os.urandom(16)
        return nonce if self._store.add(f"lease/{job_id}", nonce, seconds=self._lease) else None

    def renew(self, job_id: str, nonce: bytes) -> bool:
        """Keep the lease; tell whether it was still ours."""
        return self._store.replace(f"lease/{job_id}", nonce, nonce, seconds=self._lease)

    def release(self, job_id: str, nonce: bytes) -> None:
        """Give the lease back."""
        self._store.remove(f"lease/{job_id}", nonce)

    def _left(self, job: Job) -> float:
        return max(1.0, job.expires - self.clock())
