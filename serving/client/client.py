"""The client: one method a thing that the service does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from customer_risk.serving.client.answers import Answer, Item, Items, Job
from customer_risk.serving.client.errors import BadAnswerError, JobError, RefusedError, UnreachableError
from customer_risk.serving.client.retrying import Patience, Reply, persist
from customer_risk.serving.contract.problem import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from customer_risk.serving.contract.request import RiskRequest

Request: TypeAlias = "Mapping[str, Any] | RiskRequest"
Format = Literal["ndjson", "csv", "parquet"]

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_JSON: Final = {"content-type": "application/json"}
_T = TypeVar("_T")


class RiskClient:
    """Asks the service at `url`, with `token` where it wants one.

    Each decision, batch and job carries an idempotency key, so that an attempt whose answer was lost is answered with
    the same decision when it is repeated. `patience` bounds every call, `for_files` those that carry a job's file or
    its results. `host` is the service's name where `url` is an address that stands for several. One client may be
    shared by threads; close it, or use it in a `with`.
    """

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
            self._http = httpx2.Client(base_url=url, headers=headers)
        except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
            raise UnreachableError(
                f"No requests can be sent to {url!r}: {error}. "
                "Check the URL, the token, SSL_CERT_FILE and the proxy variables (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)."
            ) from error
        self._patience = patience or Patience()
        self._for_files = for_files or Patience(seconds=300, one=60)

    def score(self, request: Request, *, idempotency_key: str | None = None, traceparent: str | None = None) -> Answer:
        """Decide about one customer; a request is as the wire has it, a mapping or a RiskRequest.

        Raises RefusedError, UnreachableError or BadAnswerError.
        """
        headers = _JSON | _key(idempotency_key) | _trace(traceparent)
        return self._ask(Answer, "POST", "/ai/v1/risk", content=msgspec.json.encode(request), headers=headers)

    def batch(
        self, requests: Iterable[Request], *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> tuple[Item, ...]:
        """Decide about up to 1,000 customers: an outcome each, in order. Raises as `score` does, for the whole call."""
        body = msgspec.json.encode({"requests": list(requests)})
        headers = _JSON | _key(idempotency_key) | _trace(traceparent)
        return self._ask(Items, "POST", "/ai/v1/risk:batch", content=body, headers=headers).items

    def submit(
        self,
        file: Path | bytes,
        format: Format = "ndjson",  # noqa: A002  the word that callers look for
        *,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Job:
        """Have a file, or its bytes, scored as a job. Raises as `score` does."""
        body = file.read_bytes() if isinstance(file, Path) else file
        headers = {"content-type": _MEDIA_TYPES[format]} | _key(idempotency_key) | _trace(traceparent)
        return self._ask(Job, "POST", "/ai/v1/risk/jobs", self._for_files, content=body, headers=headers)

    def job(self, job_id: str) -> Job:
        """Ask how a job stands. Raises RefusedError with status 404 where it is unknown, expired or another's."""
        return self._ask(Job, "GET", _path(job_id))

    def wait(self, job_id: str, *, seconds: float = 600, every: float = 0.5) -> Job:
        """Wait until a job is done. Raises JobError where it ended otherwise, TimeoutError after `seconds`."""
        ends = time.monotonic() + seconds
        while not (job := self.job(job_id)).over:
            if time.monotonic() + every > ends:
                raise TimeoutError(f"The job {job_id} is {job.state} after {seconds:g} seconds.")
            time.sleep(every)
        if job.state != "done":
            raise JobError(job)
        return job

    def results(self, job_id: str) -> tuple[Item, ...]:
        """Fetch a job's outcomes, in the input's order."""
        headers = {"accept": _MEDIA_TYPES["ndjson"]}
        reply = self._send("GET", f"{_path(job_id)}/results", self._for_files, headers=headers)
        return tuple(_decode(Item, line, reply.status) for line in reply.body.splitlines() if line)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that is over stays as it is."""
        return self._ask(Job, "DELETE", _path(job_id))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self,
        kind: type[_T],
        method: str,
        path: str,
        patience: Patience | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _T:
        reply = self._send(method, path, patience or self._patience, content=content, headers=headers)
        return _decode(kind, reply.body, reply.status)

    def _send(
        self,
        method: str,
        path: str,
        patience: Patience,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send, again where that may help, and return the reply of a success; raises for all others."""

        def once(ends: float) -> Reply:
            silence = max(0.001, min(patience.one, ends - time.monotonic()))
            with self._http.stream(method, path, content=content, headers=headers, timeout=silence) as response:
                parts = []
                for part in response.iter_bytes():
                    parts.append(part)
                    if time.monotonic() > ends:  # the timeout is that of one silence, not of their sum
                        raise httpx2.ReadTimeout("The answer comes too slowly.", request=response.request)
                return Reply(response.status_code, response.headers, b"".join(parts))

        reply = persist(once, patience)
        if 200 <= reply.status < 300:
            return reply
        if reply.headers.get("content-type", "").partition(";")[0] == MEDIA_TYPE:
            raise RefusedError(_decode(Problem, reply.body, reply.status))
        raise BadAnswerError(f"A response of status {reply.status} that isn't this service's.")


def _decode(kind: type[_T], body: bytes, status: int) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswerError(f"A response of status {status} that isn't this service's: {error}.") from error


def _key(key: str | None) -> dict[str, str]:
    return {"idempotency-key": key or str(uuid.uuid4())}


def _trace(traceparent: str | None) -> dict[str, str]:
    return {"traceparent": traceparent} if traceparent else {}


def _path(job_id: str) -> str:
    return f"/ai/v1/risk/jobs/{quote(job_id, safe='')}"
