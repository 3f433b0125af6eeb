"""Responses to an append as BigQuery documents them, from a server that the test runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import msgspec
import pytest
from google.cloud.bigquery_storage_v1 import types
from google.rpc.status_pb2 import Status

from customer_risk.serving.record.sinks.bigquery.append import Fate, RowsRefused, append
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.rows import Rows
from customer_risk.serving.record.sinks.bigquery.schema import VERSION
from customer_risk.serving.record.sinks.bigquery.sink import BigQuerySink
from customer_risk.serving.record.sinks.interface import RecordRefused, SinkUnavailable
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_APPEND = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"


class Server(grpc.GenericRpcHandler):
    """Answers every append with the result of `say(request)`: a response, a status code to end with, or no response."""

    def __init__(self) -> None:
        self.say = lambda _: types.AppendRowsResponse()
        self.heard = []

    def service(self, details):
        """Handle only appends."""
        assert details.method == _APPEND
        self.heard = list(details.invocation_metadata)
        return grpc.stream_stream_rpc_method_handler(self._answer)

    def _answer(self, requests, context):
        for request in requests:
            said = self.say(types.AppendRowsRequest.deserialize(request))
            if isinstance(said, grpc.StatusCode):
                context.abort(said, "so it is")
            if said is not None:
                yield types.AppendRowsResponse.serialize(said)


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[Server, str]]:
    """The server, and its address."""
    handler = Server()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def settings(listening) -> BigQuerySettings:
    """The settings of a table of that server."""
    return BigQuerySettings(project="p", dataset="d", endpoint="http://127.0.0.1:1", grpc_endpoint=listening[1])


@pytest.fixture
def appended(listening, settings):
    """Return a function that appends two rows and returns the `Fate` of the append."""

    def run(said) -> Fate:
        listening[0].say = lambda _: said
        connections = Connections(settings)
        try:
            return append(connections, "s/1", 7, [b"", b""], Rows(), "t")
        finally:
            connections.close()

    return run


def _error(code: grpc.StatusCode, reason: str = "") -> types.AppendRowsResponse:
    status = Status(code=code.value[0], message="so it is")
    if reason:
        status.details.add().Pack(types.StorageError.pb(types.StorageError(code=reason)))
    return types.AppendRowsResponse(error=status)


def test_accepted_rows_are_written(appended, listening) -> None:
    """Accepted rows are written, and the request's metadata names the stream."""
    offset = types.AppendRowsResponse.AppendResult(offset=7)
    assert appended(types.AppendRowsResponse(append_result=offset)) is Fate.WRITTEN
    assert ("x-goog-request-params", "write_stream=s/1") in listening[0].heard


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        (_error(grpc.StatusCode.ALREADY_EXISTS), Fate.EXISTS),
        (grpc.StatusCode.ALREADY_EXISTS, Fate.EXISTS),
        (_error(grpc.StatusCode.ALREADY_EXISTS, "OFFSET_ALREADY_EXISTS"), Fate.EXISTS),
        (_error(grpc.StatusCode.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE"), Fate.LOST),
        (grpc.StatusCode.OUT_OF_RANGE, Fate.LOST),
        (grpc.StatusCode.NOT_FOUND, Fate.LOST),
        (_error(grpc.StatusCode.NOT_FOUND, "STREAM_NOT_FOUND"), Fate.LOST),
        (_error(grpc.StatusCode.INVALID_ARGUMENT, "STREAM_FINALIZED"), Fate.LOST),
        (grpc.StatusCode.FAILED_PRECONDITION, Fate.LOST),
    ],
    ids=str,
)
def test_the_reason_of_an_offset_error_is_read(appended, said, fate) -> None:
    """The reason is read from the response or from the status that ends the call, whatever the code."""
    assert appended(said) is fate


@pytest.mark.parametrize(
    "said",
    [
        _error(grpc.StatusCode.INVALID_ARGUMENT, "SCHEMA_MISMATCH_EXTRA_FIELDS"),
        _error(grpc.StatusCode.INTERNAL),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        None,
    ],
    ids=str,
)
def test_any_other_answer_is_unavailable(appended, said) -> None:
    """Any other answer raises SinkUnavailable."""
    with pytest.raises(SinkUnavailable, match="The table t fails"):
        appended(said)


def test_wrong_rows_are_named(appended) -> None:
    """Invalid rows are named by their index, with the reason."""
    wrong = types.RowError(index=1, code="FIELDS_ERROR", message="too odd")
    with pytest.raises(RowsRefused) as refused:
        appended(types.AppendRowsResponse(error=Status(code=3), row_errors=[wrong]))
    assert refused.value.refused == {1: "too odd"}


def test_rows_that_bigquery_refuses_are_named_by_their_records(listening, settings, samples) -> None:
    """Refused rows are named by their record's number, in any request of a segment."""
    given = samples.segment(1, 9, without=(2,))
    third = Rows().row(given.documents[-2])

    def say(request):
        rows = list(request.proto_rows.rows.serialized_rows)
        if third not in rows:
            return types.AppendRowsResponse()
        wrong = types.RowError(index=rows.index(third), code="FIELDS_ERROR")
        return types.AppendRowsResponse(error=Status(code=3), row_errors=[wrong])

    listening[0].say = say
    sink = BigQuerySink(settings, most_bytes=1_500)
    with pytest.raises(RecordRefused) as refused:
        sink.write(given, b'{"stream":"s/1","offset":0}')
    sink.close()
    assert refused.value.refused == {8: "FIELDS_ERROR"}


def test_a_place_counts_what_was_written(listening, settings, samples) -> None:
    """The place counts all rows, new or already there, over any number of requests."""
    offsets = []

    def say(request):
        offsets.append(request.offset)
        return _error(grpc.StatusCode.ALREADY_EXISTS) if len(offsets) == 1 else types.AppendRowsResponse()

    listening[0].say = say
    sink = BigQuerySink(settings, most_bytes=1_500)
    form = f"{VERSION}-1500"
    after = sink.write(samples.segment(1, 9), msgspec.json.encode({"stream": "s/1", "offset": 100, "form": form}))
    sink.close()
    assert msgspec.json.decode(after) == {"stream": "s/1", "offset": 109, "form": form}
    assert len(offsets) > 2
    assert offsets == sorted(set(offsets))
    assert offsets[0] == 100
