"""The synchronous and the asynchronous client: both send the same calls by the same rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx2

from customer_risk_client import calls
from customer_risk_client.answers import Answer, Item, Job
from customer_risk_client.attempts import Attempts, JobWait, Patience, Reply
from customer_risk_client.calls import Call, Format, Request
from customer_risk_client.errors import UnreachableError

_T = TypeVar("_T")
_Http = TypeVar("_Http", httpx2.Client, httpx2.AsyncClient)


class _Client(Generic[_Http]):
    _make: Callable[..., _Http]

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        host: str | None = None,
        patience: Patience | None = None,
        for_files: Patience | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if host:
            headers["host"] = host
        try:
            self._http: _Http = type(self)._make(base_url=url, headers=headers)
        except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
            raise UnreachableError(
                f"No requests can be sent to {url!r}: {error}. "
                "Check the URL, the token, SSL_CERT_FILE and the proxy variables (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)."
            ) from error
        self._patience = patience or Patience()
        self._for_files = for_files or Patience(seconds=300, one=60)

    def _attempts(self, call: Call[_T]) -> Attempts:
        return Attempts(self._for_files if call.is_file else self._patience)


class RiskClient(_Client[httpx2.Client]):
    """A client of the service at `url`; AsyncRiskClient has the same methods as coroutines.

    `token` is the access token, None for a service without authentication. `host` is sent as the Host header, for a
    `url` that is an address of several services. `patience` limits each call; `for_files` limits `submit` and
    `results`. Threads may share a client. Close it, or use it in a `with` statement.

    `score`, `batch` and `submit` send an idempotency key, so that a repeated attempt gets the decision of the first
    one. All methods raise RefusedError, UnreachableError or BadAnswerError.
    """

    _make = httpx2.Client

    def score(self, request: Request, *, idempotency_key: str | None = None, traceparent: str | None = None) -> Answer:
        """Return the decision about one customer; `request` is a mapping or a struct in the form of the API."""
        return self._send(calls.score(request, idempotency_key, traceparent))

    def batch(
        self, requests: Iterable[Request], *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> tuple[Item, ...]:
        """Return the outcome for each of up to 1,000 requests, in their order."""
        return self._send(calls.batch(requests, idempotency_key, traceparent))

    def submit(
        self,
        file: str | PathLike[str] | bytes,
        format: Format = "ndjson",  # noqa: A002  the usual word for it
        *,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Job:
        """Submit a file, given its path or its bytes, as a job; return the job's state."""
        return self._send(calls.submit(calls.content_of(file), format, idempotency_key, traceparent))

    def job(self, job_id: str) -> Job:
        """Return the state of a job. An unknown or expired job, or another client's, is refused with status 404."""
        return self._send(calls.job(job_id, "GET"))

    def wait(self, job_id: str, *, seconds: float = 600, every: float = 0.5) -> Job:
        """Wait until a job is done; raises JobError if it failed or was cancelled, TimeoutError after `seconds`."""
        wait = JobWait(seconds, every)
        while not wait.ends_with(job := self.job(job_id)):
            time.sleep(every)
        return job

    def results(self, job_id: str) -> tuple[Item, ...]:
        """Return the outcome for each row of a job's file, in the file's order."""
        return self._send(calls.results(job_id))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; return its state. A job that has ended doesn't change."""
        return self._send(calls.job(job_id, "DELETE"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[_T]) -> _T:
        attempts = self._attempts(call)
        while True:
            timeout = attempts.begin()
            try:
                with self._http.stream(
                    call.method, call.path, content=call.content, headers=call.headers, timeout=timeout
                ) as response:
                    body = bytearray()
                    for part in response.iter_bytes():
                        body += part
                        attempts.require_time(response.request)
                    reply = Reply(response.status_code, response.headers, bytes(body))
            except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError) as error:
                wait = attempts.wait_after_error(error)
            else:
                if (next_wait := attempts.wait_after(reply)) is None:
                    return call.read(reply)
                wait = next_wait
            time.sleep(wait)


class AsyncRiskClient(_Client[httpx2.AsyncClient]):
    """The asynchronous client, for asyncio: RiskClient's methods as coroutines, with the same rules and errors.

    Tasks of one event loop may share a client. Close it, or use it in an `async with` statement.
    """

    _make = httpx2.AsyncClient

    async def score(
        self, request: Request, *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> Answer:
        """Return the decision about one customer; `request` is a mapping or a struct in the form of the API."""
        return await self._send(calls.score(request, idempotency_key, traceparent))

    async def batch(
        self, requests: Iterable[Request], *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> tuple[Item, ...]:
        """Return the outcome for each of up to 1,000 requests, in their order."""
        return await self._send(calls.batch(requests, idempotency_key, traceparent))

    async def submit(
        self,
        file: str | PathLike[str] | bytes,
        format: Format = "ndjson",  # noqa: A002  the usual word for it
        *,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Job:
        """Submit a file, given its path or its bytes, as a job; return the job's state."""
        content = await asyncio.to_thread(calls.content_of, file)
        return await self._send(calls.submit(content, format, idempotency_key, traceparent))

    async def job(self, job_id: str) -> Job:
        """Return the state of a job. An unknown or expired job, or another client's, is refused with status 404."""
        return await self._send(calls.job(job_id, "GET"))

    async def wait(self, job_id: str, *, seconds: float = 600, every: float = 0.5) -> Job:
        """Wait until a job is done; raises JobError if it failed or was cancelled, TimeoutError after `seconds`."""
        wait = JobWait(seconds, every)
        while not wait.ends_with(job := await self.job(job_id)):  # noqa: ASYNC110  the service sends no events
            await asyncio.sleep(every)
        return job

    async def results(self, job_id: str) -> tuple[Item, ...]:
        """Return the outcome for each row of a job's file, in the file's order."""
        return await self._send(calls.results(job_id))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; return its state. A job that has ended doesn't change."""
        return await self._send(calls.job(job_id, "DELETE"))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call[_T]) -> _T:
        attempts = self._attempts(call)
        while True:
            timeout = attempts.begin()
            try:
                async with self._http.stream(
                    call.method, call.path, content=call.content, headers=call.headers, timeout=timeout
                ) as response:
                    body = bytearray()
                    async for part in response.aiter_bytes():
                        body += part
                        attempts.require_time(response.request)
                    reply = Reply(response.status_code, response.headers, bytes(body))
            except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError) as error:
                wait = attempts.wait_after_error(error)
            else:
                if (next_wait := attempts.wait_after(reply)) is None:
                    return call.read(reply)
                wait = next_wait
            await asyncio.sleep(wait)
