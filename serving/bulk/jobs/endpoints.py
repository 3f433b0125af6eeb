"""`/ai/v1/risk/jobs` over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import msgspec

from customer_risk.model.errors import BadField, InputError
from customer_risk.model.files import open_file
from customer_risk.serving.bulk.jobs.factory import write_parquet
from customer_risk.serving.bulk.jobs.readers import Cutter
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.types import Format, Job, JobList, JobPath, JobSettings, view
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.contract.malformed import not_json
from customer_risk.serving.errors import BodyTooLarge, Conflict, NotFound, Overloaded, WrongMediaType, WrongMethod
from customer_risk.serving.http.body import ClientDisconnected, Receive, Scope, Send, bounded, header, read_body
from customer_risk.serving.http.budget import Budget, Held, client_of
from customer_risk.serving.http.responses import Response, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller
    from customer_risk.serving.store.idempotency import Idempotency

PATH: Final = "/ai/v1/risk/jobs"
PARQUET: Final = "application/vnd.apache.parquet"
NDJSON: Final = "application/x-ndjson"
_FORMATS: Final[dict[str, Format]] = {NDJSON: "ndjson", "text/csv": "csv", PARQUET: "parquet"}
_SUFFIXES: Final[dict[str, Format]] = {
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet",
}  # fmt: skip
_Way = Callable[..., Awaitable[Response]]
_READ_BYTES: Final = 1024 * 1024
_MOST_DROPPED: Final = 64 * 1024 * 1024  # bytes of a refused upload that are read and dropped
_encode: Final = msgspec.json.Encoder().encode


class JobsEndpoint:
    """The application behind `PATH`; a job belongs to its caller, and to administrators.

    Each worker calls the functions `repository` and `keys` after the fork.
    """

    def __init__(
        self,
        settings: JobSettings,
        repository: Callable[[], JobRepository],
        keys: Callable[[], Idempotency],
        clock: Callable[[], float] = time.time,
        budget: Budget | None = None,
    ) -> None:
        self._settings = settings
        self._repository = repository
        self._keys = keys
        self._clock = clock
        self._budget = budget or Budget(sys.maxsize, sys.maxsize)
        self._making = asyncio.Semaphore()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Respond to one request."""
        match scope["path"].removeprefix(PATH).split("/"):
            case [""]:
                allowed = {"POST": self._create, "GET": self._list}
                response = await _chosen(scope, allowed)(scope, receive, caller)
                await respond(send, response)
            case ["", job_id]:
                job = await self._find(job_id, caller)
                await respond(send, await _chosen(scope, {"GET": self._show, "DELETE": self._cancel})(job))
            case ["", job_id, "results"]:
                _chosen(scope, {"GET": self._show})
                await self._results(await self._find(job_id, caller), scope, send, caller)
            case _:
                raise NotFound("This path doesn't exist.", remedy=f"GET {PATH} lists your jobs.")

    async def _create(self, scope: Scope, receive: Receive, caller: Caller) -> Response:
        media_type = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if media_type == "application/json":
            path = self._allowed(await read_body(bounded(scope, receive, 64 * 1024)))
            format_, parts = _SUFFIXES[path.suffix.lower()], _of_file(path, self._settings.most_bytes)
        elif media_type in _FORMATS:
            format_, parts = _FORMATS[media_type], _of_body(bounded(scope, receive, self._settings.most_bytes))
        else:
            raise WrongMediaType(
                f"The body is declared as {media_type or 'nothing'}.",
                remedy=f'Send {NDJSON}, text/csv, {PARQUET}, or application/json with {{"path": ...}}.',
            )
        now = self._clock()
        job = Job(
            job_id=uuid7(int(now * 1000)),
            caller=caller.name,
            explain="explain" in caller.scopes,
            format=format_,
            pieces=0,
            rows=None,
            created=now,
            expires=now + self._settings.keep_seconds,
        )
        try:
            with self._budget.hold(client_of(scope, caller)) as held:
                job, digest = await self._keep(job, parts, held)
            kept = await self._submit(job, digest, header(scope, b"idempotency-key"), caller)
        except BaseException:
            await asyncio.to_thread(self._repository().drop_input, job.job_id)
            raise
        if kept != job.job_id:  # the key's job exists
            await asyncio.to_thread(self._repository().drop_input, job.job_id)
            job = await self._find(kept, caller)
        body = _encode(view(job, PATH, now=self._clock()))
        return Response(202, body, headers=(("location", f"{PATH}/{kept}"),))

    async def _keep(self, job: Job, parts: AsyncIterator[bytes], held: Held) -> tuple[Job, bytes]:
        """Store an upload in pieces; return the job with their number, and a digest.

        Raises InputError for an empty upload, BodyTooLarge, and Overloaded if its incomplete piece exceeds the budget.
        """
        upload = _Upload(self._repository(), job, self._settings)
        try:
            async for part in parts:
                await asyncio.to_thread(upload.add, part)  # cutting and hashing would block the event loop
                held.grow(upload.incomplete)
            return await asyncio.to_thread(upload.end)
        except (BodyTooLarge, Overloaded):
            await _drop(parts)
            raise

    async def _submit(self, job: Job, digest: bytes, key: str | None, caller: Caller) -> str:
        """Add a job, once for each key; return the id of the key's job."""
        repository = self._repository()

        def produce() -> bytes:
            repository.add(job)
            return job.job_id.encode()

        if key is None:
            return (await asyncio.to_thread(produce)).decode()
        kept = await self._keys().once(caller, PATH, key, digest, produce)
        return kept.decode()

    async def _list(self, scope: Scope, receive: Receive, caller: Caller) -> Response:  # noqa: ARG002  the same signature as `_create`
        found = await asyncio.to_thread(self._repository().of, caller.name)
        return Response(200, _encode(JobList([view(job, PATH, now=self._clock()) for job in found])))

    async def _show(self, job: Job) -> Response:
        return Response(200, _encode(view(job, PATH, now=self._clock())))

    async def _cancel(self, job: Job) -> Response:
        ended = await asyncio.to_thread(self._repository().end, job.job_id, state="cancelled")
        return await self._show(ended or job)

    async def _results(self, job: Job, scope: Scope, send: Send, caller: Caller) -> None:
        if job.state != "done":
            raise _without_results(job)
        if job.explain:
            caller.require("explain")
        wanted = parse_qs(scope["query_string"].decode("latin-1")).get("format", [""])[0]
        repository = self._repository()
        await asyncio.to_thread(repository.require_results, job)  # after the first chunk, a refusal can't be sent
        if wanted == "parquet" or (not wanted and PARQUET in (header(scope, b"accept") or "")):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "results.parquet"
                async with self._making:  # one at a time: each may take jobs.most_memory_bytes
                    await asyncio.to_thread(write_parquet, repository.packed_results(job), path, self._settings)
                with path.open("rb") as file:
                    await _stream(send, PARQUET, iter(partial(file.read, _READ_BYTES), b""))
            return
        if wanted not in {"", "ndjson"}:
            raise InputError((BadField("/format", "expected ndjson or parquet"),))
        await _stream(send, NDJSON, repository.results(job))

    async def _find(self, job_id: str, caller: Caller) -> Job:
        """Return a caller's job; raises NotFound, also for another caller's job."""
        job = await asyncio.to_thread(self._repository().get, job_id) if len(job_id) == 36 else None
        if job is None or (job.caller != caller.name and "admin" not in caller.scopes):
            raise NotFound("The job doesn't exist, or it has expired.", remedy=f"GET {PATH} lists your jobs.")
        return job

    def _allowed(self, body: bytes) -> Path:
        """Return the file that a caller names; every error leads to the same refusal."""
        try:
            named = Path(msgspec.json.decode(without_mark(body), type=JobPath).path)
        except msgspec.ValidationError as error:
            raise InputError((BadField("/path", "expected the path of a file"),)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise not_json(body, error) from error
        refusal = InputError((BadField("/path", "isn't a file that this service may read"),))
        try:
            path = named.resolve(strict=True)  # follow links, which may lead outside the folders
            allowed = [Path(folder).resolve() for folder in self._settings.folders]
        except (OSError, ValueError) as error:
            raise refusal from error
        inside = any(path.is_relative_to(folder) for folder in allowed)
        if not (inside and path.is_file() and path.suffix.lower() in _SUFFIXES):
            raise refusal
        return path


def _without_results(job: Job) -> Conflict:
    """Return the error for results of a job that isn't done."""
    match job.state:
        case "failed":
            return Conflict("The job failed and has no results.", remedy="Its problem says why: GET the job.")
        case "cancelled":
            return Conflict("The job was cancelled and has no results.", remedy="Send the file again.")
        case _:
            return Conflict(f"The job is {job.state}.", remedy="GET the job until it is done; then it has results.")


def _chosen(scope: Scope, ways: Mapping[str, _Way]) -> _Way:
    try:
        return ways[scope["method"]]
    except KeyError as error:
        raise WrongMethod(
            f"{scope['method']} isn't allowed here.", remedy=f"Send {' or '.join(ways)}.", allowed=", ".join(ways)
        ) from error


async def _of_body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _of_file(path: Path, most: int) -> AsyncIterator[bytes]:
    read = 0
    with open_file(path) as file:
        while part := await asyncio.to_thread(file.read, _READ_BYTES):
            read += len(part)
            if read > most:
                raise BodyTooLarge(f"The file has more than {most:,} bytes.", remedy="Split it.")
            yield part


async def _drop(parts: AsyncIterator[bytes]) -> None:
    """Read and drop the rest of an upload: closing a connection with unread bytes resets it and loses the refusal."""
    left = _MOST_DROPPED
    with contextlib.suppress(BodyTooLarge, ClientDisconnected):
        async for part in parts:
            left -= len(part)
            if left < 0:
                return


async def _stream(send: Send, kind: str, chunks: Iterator[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class _Upload:
    """Writes an upload to the store, piece by piece. Call its methods on a thread: they wait for the store."""

    def __init__(self, repository: JobRepository, job: Job, settings: JobSettings) -> None:
        self._repository = repository
        self._job = job
        self._seconds = settings.keep_seconds
        self._lines = job.format == "ndjson"
        self._cutter = Cutter(lines=self._lines, most_rows=settings.most_rows)
        self._digest = hashlib.sha256(job.format.encode())
        self._pieces = 0

    def add(self, part: bytes) -> None:
        """Add the next part; raises BodyTooLarge as `Cutter` does."""
        self._digest.update(part)
        self._put(self._cutter.feed(part))

    @property
    def incomplete(self) -> int:
        """The number of bytes in the piece that isn't complete yet."""
        return self._cutter.incomplete

    def end(self) -> tuple[Job, bytes]:
        """Return the job with its number of pieces, and a digest of the upload; raises InputError if it is empty."""
        self._put(self._cutter.end())
        if not self._pieces or (self._lines and not self._cutter.rows):
            raise InputError((BadField("", "expected at least one row"),))
        rows = self._cutter.rows if self._lines else None
        return msgspec.structs.replace(self._job, pieces=self._pieces, rows=rows), self._digest.digest()

    def _put(self, cut: Iterator[bytes]) -> None:
        for piece in cut:
            self._repository.put_input(self._job.job_id, self._pieces, piece, seconds=self._seconds)
            self._pieces += 1
