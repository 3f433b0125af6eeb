"""What is recorded, committed and observed for a request of each entrance."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import Decided, RequestContext
from customer_risk.serving.kserve.v2.grpc import GrpcServer
from customer_risk.serving.kserve.v2.settings import GrpcSettings

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
HERE = RequestContext("/here", LOCAL)


class Recorder:
    """A recorder in memory; `failing` is the step that fails: none, "commit" or "decided"."""

    def __init__(self) -> None:
        self.failing = ""
        self.open: list[tuple] = []
        self.kept: list[tuple] = []

    def decided(self, answer, *, caller, route, trace, took) -> None:
        """Take a decision."""
        if self.failing == "decided":
            raise RecordUnavailable("the outbox is full")
        self.open.append((answer.customer_id, caller, route, trace and trace.trace_id, took >= -1))

    def refused(self, error, *, caller, route, trace) -> None:
        """Take a refusal."""
        self.open.append((type(error).__name__, caller, route, trace and trace.trace_id))

    def commit(self) -> None:
        """Keep what was recorded, or lose it."""
        taken, self.open = self.open, []
        if self.failing == "commit":
            raise RecordUnavailable("the disk is full", records=len(taken))
        self.kept += taken


class Notes:
    """An observer that keeps what it gets."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.statuses: list[tuple[str, int]] = []

    def observe(self, outcome) -> None:
        """Remember an outcome."""
        told = "decided" if isinstance(outcome, Decided) else outcome.kind.name
        self.outcomes.append((outcome.context.route, told))

    def responded(self, context, status, seconds) -> None:
        """Remember a response."""
        assert seconds >= 0
        self.statuses.append((context.route, status))


@pytest.fixture
def recorder() -> Recorder:
    """The record."""
    return Recorder()


@pytest.fixture
def notes() -> Notes:
    """The observer."""
    return Notes()


@pytest.fixture
def exchange(service, recorder, notes) -> Exchange:
    """An exchange that records and observes."""
    made = Exchange(service, record=lambda: recorder, observers=(notes,))
    made.open()
    return made


@pytest.fixture
def send(exchange, call, bundle):
    """Send one request to an entrance, with a trace; return the HTTP status of its outcome."""
    from kserve import ModelRepository

    from customer_risk.serving.kserve.application import application
    from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane
    from customer_risk.serving.kserve.model import RiskModel

    model, models = RiskModel(exchange, bundle), ModelRepository()
    model.ready = True
    models.update(model)
    app = application(exchange, ModelDataPlane(models), FixedModels(models))

    async def infer(document) -> int:
        server = GrpcServer(exchange, GrpcSettings(port=0, grace_seconds=0))
        await server.start()
        request = pb.ModelInferRequest(model_name="customer-risk")
        tensor = request.inputs.add(name="request", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(json.dumps(document).encode())
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                infer = stubs.GRPCInferenceServiceStub(channel).ModelInfer
                await infer(request, metadata=(("traceparent", PARENT),), timeout=600)
        except grpc.aio.AioRpcError as error:
            return json.loads(error.details())["status"]
        finally:
            await server.stop()
        return 200

    def sent(entrance: str, document) -> int:
        headers = {"traceparent": PARENT}
        match entrance:
            case "direct":
                fields = [(b"content-type", b"application/json"), (b"traceparent", PARENT.encode())]
                outcome = app.direct(fields, json.dumps(document).encode())
                return app.finish([outcome])[0].status
            case "/ai/v1/risk":
                return call(app, "POST", entrance, json=document, headers=headers).status_code
            case "/ai/v1/risk:batch":
                answer = call(app, "POST", entrance, json={"requests": [document]}, headers=headers)
                return answer.json()["items"][0]["status"] if answer.status_code == 200 else answer.status_code
            case "/v1/models":
                path = "/v1/models/customer-risk:predict"
                return call(app, "POST", path, json={"instances": [document]}, headers=headers).status_code
            case "/v2/models":
                tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(document)]}
                path = "/v2/models/customer-risk/infer"
                return call(app, "POST", path, json={"inputs": [tensor]}, headers=headers).status_code
            case _:
                return asyncio.run(infer(document))

    return sent


ENTRANCES = {
    "direct": "/ai/v1/risk",
    "/ai/v1/risk": "/ai/v1/risk",
    "/ai/v1/risk:batch": "/ai/v1/risk:batch",
    "/v1/models": "/v1/models",
    "/v2/models": "/v2/models",
    "grpc": "grpc:ModelInfer",
}


@pytest.mark.parametrize(("entrance", "route"), ENTRANCES.items())
def test_a_decision_is_recorded_and_observed_once(send, recorder, notes, request_, entrance, route) -> None:
    """Each entrance records a decision with route, caller and trace, and it is observed once."""
    assert send(entrance, request_) == 200
    assert recorder.kept == [("c-1", "local", route, TRACE, True)]
    assert notes.outcomes == [(route, "decided")]
    assert notes.statuses == [(route, 200)]


@pytest.mark.parametrize(("entrance", "route"), ENTRANCES.items())
def test_a_refusal_is_recorded_and_observed_once(send, recorder, notes, entrance, route) -> None:
    """Each entrance records and commits a refusal with route, caller and trace, and it is observed once."""
    assert send(entrance, {"customer_id": 7}) == 422
    assert recorder.kept == [("InputError", "local", route, TRACE)]
    assert notes.outcomes == [(route, "bad-fields")]
    assert notes.statuses == [(route, 200 if entrance.endswith("batch") else 422)]


@pytest.mark.parametrize("failing", ["commit", "decided"])
@pytest.mark.parametrize(("entrance", "route"), ENTRANCES.items())
def test_a_decision_that_is_not_recorded_is_a_503_everywhere(
    send, recorder, notes, request_, entrance, route, failing
) -> None:
    """If a decision can't be recorded, the caller and the observers get only a 503."""
    recorder.failing = failing
    assert send(entrance, request_) == 503
    assert notes.outcomes == [(route, "unavailable")]
    assert notes.statuses == [(route, 503)]


def test_a_failed_commit_also_refuses_earlier_decisions(exchange, recorder, notes, request_) -> None:
    """A commit that fails for one request also refuses the decisions that other requests had recorded before it."""
    body = json.dumps(request_).encode()
    waiting, failing = exchange.answer(body, HERE), exchange.answer(body, HERE)
    recorder.failing = "commit"
    (refused,) = exchange.commit([failing])
    recorder.failing = ""
    later = exchange.answer(body, HERE)
    lost, kept = exchange.commit([waiting, later])
    assert [each.status for each in (refused, lost, kept)] == [503, 503, 200]
    assert [told for _, told in notes.outcomes] == ["unavailable", "unavailable", "decided"]


def test_a_failing_observer_does_not_change_the_outcome(service, request_, caplog) -> None:
    """If an observer fails, the outcome stays unchanged, and the failure is logged."""

    class Failing(Notes):
        def observe(self, outcome) -> None:
            raise ValueError(f"planted at {outcome.status}")

    exchange = Exchange(service, observers=(Failing(),))
    (outcome,) = exchange.commit([exchange.answer(json.dumps(request_).encode(), HERE)])
    assert outcome.status == 200
    assert "an outcome couldn't be counted or logged" in caplog.text


def test_an_unexpected_error_is_passed_only_to_observers(service, request_, monkeypatch) -> None:
    """An unexpected error becomes a 500 without details; observers get the error."""
    monkeypatch.setattr(service, "answer", lambda *_, **__: 1 / 0)
    refused = Exchange(service).answer(json.dumps(request_).encode(), HERE)
    assert (refused.status, type(refused.unexpected)) == (500, ZeroDivisionError)
    assert "division" not in refused.problem.detail


def test_a_caller_who_is_not_authenticated_has_no_rights() -> None:
    """Before authentication, a request gets no explanations and has no caller."""
    nobody = RequestContext("/here")
    assert (nobody.explain, nobody.caller_name) == (False, "")
    with pytest.raises(AssertionError, match="authenticated"):
        _ = nobody.admitted


def test_every_caller_is_local_without_access_control(service) -> None:
    """By default, an exchange admits every caller as the local caller."""
    assert Exchange(service).access.admit_now(None, "score") is LOCAL
    assert isinstance(Exchange(service).access, AccessControl)
