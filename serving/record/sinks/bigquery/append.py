"""One append to a write stream, and its possible results."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery_storage_v1 import types

from customer_risk.model.google_cloud.credentials import ONCE
from customer_risk.serving.record.sinks.bigquery.connections import Connections, unavailable
from customer_risk.serving.record.sinks.bigquery.rows import Rows

# google.rpc.Code
_NOT_FOUND: Final = 5
_ALREADY_EXISTS: Final = 6
_FAILED_PRECONDITION: Final = 9
_OUT_OF_RANGE: Final = 11
_LOST: Final = {
    "STREAM_ALREADY_COMMITTED",
    "STREAM_NOT_FOUND",
    "INVALID_STREAM_STATE",
    "STREAM_FINALIZED",
    "OFFSET_OUT_OF_RANGE",
}


class Fate(Enum):
    """The result of an append: written; rows were at the offset already; or the stream accepts no more rows."""

    WRITTEN = "written"
    EXISTS = "exists"
    LOST = "lost"


class RowsRefused(Exception):
    """The server accepted none of an append's rows; `refused` has the reasons by the index of invalid rows."""

    def __init__(self, refused: dict[int, str]) -> None:
        super().__init__(f"{len(refused)} rows refused")
        self.refused = refused


def append(connections: Connections, stream: str, offset: int, rows: Sequence[bytes], shape: Rows, table: str) -> Fate:
    """Append rows at an offset of a stream; raises RowsRefused and SinkUnavailable.

    Each append is a separate call: an open stream waits for ten minutes if the server is gone.
    """
    request = types.AppendRowsRequest(
        write_stream=stream,
        offset=offset,
        proto_rows=types.AppendRowsRequest.ProtoData(
            writer_schema=types.ProtoSchema(proto_descriptor=shape.descriptor),
            rows=types.ProtoRows(serialized_rows=rows),
        ),
    )
    routed = (("x-goog-request-params", f"write_stream={stream}"),)
    try:
        with connections.reaching(GoogleAPICallError):
            response = next(iter(connections.write.append_rows(iter([request]), metadata=routed, **ONCE)), None)
    except GoogleAPICallError as error:
        status = error.grpc_status_code
        return _fate(table, status.value[0] if status else -1, _reasons(error.details), str(error))
    if response is None:
        raise unavailable(table, "an append got no response")
    if response.row_errors:
        raise RowsRefused({each.index: each.message or each.code.name for each in response.row_errors})
    if response.error.code:
        return _fate(table, response.error.code, _reasons(response.error.details), response.error.message)
    return Fate.WRITTEN


def _fate(table: str, code: int, reasons: set[str], why: str) -> Fate:
    if code == _ALREADY_EXISTS or "OFFSET_ALREADY_EXISTS" in reasons:
        return Fate.EXISTS
    if code in {_NOT_FOUND, _FAILED_PRECONDITION, _OUT_OF_RANGE} or reasons & _LOST:
        return Fate.LOST
    raise unavailable(table, f"it doesn't accept rows ({code}): {why}")


def _reasons(details: Sequence[Any]) -> set[str]:
    """Return the reasons in an error's details, which may be packed."""
    kind = types.StorageError.pb()
    found = set()
    for detail in details:
        reason = kind()
        if isinstance(detail, kind):
            reason = detail
        elif not (hasattr(detail, "Unpack") and detail.Unpack(reason)):
            continue
        found.add(types.StorageError.StorageErrorCode(reason.code).name)
    return found
