"""Builds the requests of the service's operations and reads their responses; it sends nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, get_args
from urllib.parse import quote

import msgspec

from customer_risk_client.answers import Answer, Item, Items, Job, Problem
from customer_risk_client.attempts import Reply
from customer_risk_client.errors import BadAnswerError, RefusedError

Request: TypeAlias = Mapping[str, Any] | msgspec.Struct
Format: TypeAlias = Literal["ndjson", "csv", "parquet"]

_RISK: Final = "/ai/v1/risk"
_JOBS: Final = f"{_RISK}/jobs"
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "problem": "application/problem+json",
}
_T = TypeVar("_T")


class Call(msgspec.Struct, Generic[_T], frozen=True, kw_only=True):
    """A request; `read_body` decodes a success. `is_file` calls carry the file or the results of a job."""

    method: str
    path: str
    read_body: Callable[[bytes], _T]
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    is_file: bool = False

    def read(self, reply: Reply) -> _T:
        """Return the decoded answer; raises RefusedError or BadAnswerError."""
        try:
            if 200 <= reply.status < 300:
                return self.read_body(reply.body)
            if reply.headers.get("content-type", "").partition(";")[0].strip().lower() == _MEDIA_TYPES["problem"]:
                raise RefusedError(msgspec.json.decode(reply.body, type=Problem))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _bad_answer(reply, f": {error}") from error
        raise _bad_answer(reply)


def score(request: Request, idempotency_key: str | None, traceparent: str | None) -> Call[Answer]:
    """Return the call that scores one customer."""
    return _post(_RISK, _decoder(Answer), "json", msgspec.json.encode(request), idempotency_key, traceparent)


def batch(requests: Iterable[Request], idempotency_key: str | None, traceparent: str | None) -> Call[tuple[Item, ...]]:
    """Return the call that scores up to 1,000 customers."""
    decode = _decoder(Items)
    content = msgspec.json.encode({"requests": list(requests)})
    return _post(f"{_RISK}:batch", lambda body: decode(body).items, "json", content, idempotency_key, traceparent)


def submit(content: bytes, format: Format, idempotency_key: str | None, traceparent: str | None) -> Call[Job]:  # noqa: A002
    """Return the call that submits a file's bytes as a job; raises ValueError for an unknown format."""
    if format not in get_args(Format):
        raise ValueError(f"{format!r} is not a format of a job's file. Use one of {', '.join(get_args(Format))}.")
    return _post(_JOBS, _decoder(Job), format, content, idempotency_key, traceparent, is_file=True)


def job(job_id: str, method: Literal["GET", "DELETE"]) -> Call[Job]:
    """Return the call that gets the state of a job, or cancels it."""
    return Call(method=method, path=f"{_JOBS}/{quote(job_id, safe='')}", read_body=_decoder(Job))


def results(job_id: str) -> Call[tuple[Item, ...]]:
    """Return the call that gets the results of a job."""
    decode = _decoder(Item)
    return Call(
        method="GET",
        path=f"{_JOBS}/{quote(job_id, safe='')}/results",
        read_body=lambda body: tuple(decode(line) for line in body.splitlines() if line),
        headers={"accept": _MEDIA_TYPES["ndjson"]},
        is_file=True,
    )


def content_of(file: str | PathLike[str] | bytes) -> bytes:
    """Return the bytes of a file, given its path or its bytes."""
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _decoder(kind: type[_T]) -> Callable[[bytes], _T]:
    return msgspec.json.Decoder(kind).decode


def _post(
    path: str,
    read_body: Callable[[bytes], _T],
    format: str,  # noqa: A002
    content: bytes,
    idempotency_key: str | None,
    traceparent: str | None,
    *,
    is_file: bool = False,
) -> Call[_T]:
    headers = {"content-type": _MEDIA_TYPES[format], "idempotency-key": idempotency_key or str(uuid.uuid4())}
    if traceparent:
        headers["traceparent"] = traceparent
    return Call(method="POST", path=path, read_body=read_body, content=content, headers=headers, is_file=is_file)


def _bad_answer(reply: Reply, why: str = "") -> BadAnswerError:
    return BadAnswerError(
        f"The response with status {reply.status} doesn't come from this service{why}. "
        "Check the URL, and any proxy before the service."
    )
