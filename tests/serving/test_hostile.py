"""Bodies that are cheap to send and expensive to read: how long each one blocks the event loop, at every endpoint."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import threading
from types import FrameType
from typing import Any

import grpc
import pytest

from benchmarks.serving.hostile import BATCH, ENTRANCES, GRPC, RISK, Hostile, corpus
from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.scoring_app import ScoringApp
from customer_risk.serving.kserve.v2.grpc import GrpcServer
from customer_risk.serving.kserve.v2.settings import GrpcSettings
from customer_risk.serving.offload import MOST_ON_LOOP

_SIZES = (MOST_ON_LOOP, 1_000_000)
_MOST_CALLS = 50_000  # on the event loop's thread: some 10 ms
_STATUSES = {200, 400, 413, 422}


class Noting(Service):
    """A service that records how many bytes it reads on the event loop's thread."""

    def __init__(self, thread: int, **options: Any) -> None:
        super().__init__("customer-risk", **options)
        self._thread = thread
        self.on_loop: list[int] = []

    def answer(self, body: bytes, *, at: str = "") -> Any:
        """Answer as the service does."""
        if threading.get_ident() == self._thread:
            self.on_loop.append(len(body))
        return super().answer(body, at=at)


class Running:
    """The application and a gRPC server on one event loop; the Python calls of its thread are counted."""

    def __init__(self, app: Any, service: Noting) -> None:
        self._app = app
        self.service = service
        self.calls = 0

    async def send(self, hostile: Hostile) -> int | grpc.StatusCode:
        """Send a body and return its outcome; only the server's calls are counted."""
        self.calls = 0
        if hostile.entrance == GRPC:
            return await asyncio.to_thread(self._infer, hostile.body)
        pieces = [hostile.body[at : at + 65536] for at in range(0, len(hostile.body), 65536)]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": hostile.entrance}
        scope |= {"raw_path": hostile.entrance.encode(), "query_string": b"", "root_path": "", "scheme": "http"}
        scope["headers"] = [(b"content-type", b"application/json"), (b"host", b"x")]
        sys.setprofile(self._count)
        try:
            await self._app(scope, receive, send)
        finally:
            sys.setprofile(None)
        return int(sent[0]["status"])

    def _infer(self, body: bytes) -> grpc.StatusCode:
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            try:
                channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(body)
            except grpc.RpcError as error:
                return error.code()
        return grpc.StatusCode.OK

    def _count(self, _: FrameType, event: str, __: object) -> None:
        self.calls += event in {"call", "c_call"}

    port = 0


@pytest.fixture
def run(bundle):
    """Run a coroutine function with a running application."""
    from kserve import ModelRepository

    from customer_risk.model.scoring.bundle import load_bundle
    from customer_risk.serving.kserve.application import application
    from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane
    from customer_risk.serving.kserve.model import RiskModel

    loaded = load_bundle(bundle, verify_golden=False)

    def made(work: Any) -> Any:
        async def running() -> Any:
            service = Noting(threading.get_ident())
            model, models = RiskModel(Exchange(service), bundle), ModelRepository()
            model.use(loaded)
            models.update(model)
            one = Running(application(model.exchange, ModelDataPlane(models), FixedModels(models)), service)
            server = GrpcServer(Exchange(service), GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            one.port = server.port
            try:
                return await work(one)
            finally:
                await server.stop()

        return asyncio.run(running())

    return made


@pytest.mark.parametrize("size", _SIZES)
def test_no_body_blocks_the_event_loop_for_long(run, size) -> None:
    """For every hostile body, the event loop's thread reads no more than its bound and makes few calls."""

    async def work(running: Running) -> list[str]:
        for one in corpus(1000):  # compile and cache what the first use compiles and caches
            await running.send(one)
        found = []
        for one in corpus(size):
            running.service.on_loop.clear()
            outcome = await running.send(one)
            name = f"{one.name} by {one.entrance}: {outcome}"
            if one.entrance != GRPC:
                assert outcome in _STATUSES, name
                if running.calls > _MOST_CALLS:
                    found.append(f"{name}, {running.calls:,} calls")
            if sum(running.service.on_loop) > MOST_ON_LOOP:
                found.append(f"{name}, {sum(running.service.on_loop):,} bytes")
        return found

    assert run(work) == []


def test_a_refused_body_is_freed_at_once(run) -> None:
    """A refused body is freed without the garbage collector: its error is in no reference cycle."""

    async def work(running: Running) -> list[str]:
        kept = []
        for entrance in ENTRANCES:
            one = next(each for each in corpus(400_000, {"empty rows"}) if each.entrance == entrance)
            await running.send(one)
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                await running.send(one)
                await asyncio.sleep(0.05)
                gc.collect()
                held = {id(each): each for found in gc.garbage for each in gc.get_referents(found)}.values()
                large = [each for each in held if isinstance(each, (bytes, bytearray, str)) and len(each) > 100_000]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
            if large:
                kept.append(entrance)
        return kept

    assert run(work) == []


def test_a_batch_lets_other_tasks_run(run, request_) -> None:
    """A batch reads no more than the bound between two turns of the event loop."""
    request_["transactions"] *= 50
    for place, row in enumerate(request_["transactions"]):
        request_["transactions"][place] = row | {"id": f"t-{place}"}
    item = json.dumps(request_).encode()
    assert 16 * len(item) > MOST_ON_LOOP

    async def work(running: Running) -> int:
        marks = [0]

        async def others() -> None:
            while True:
                marks.append(sum(running.service.on_loop))
                await asyncio.sleep(0)

        other = asyncio.ensure_future(others())
        await asyncio.sleep(0)
        status = await running.send(Hostile("", BATCH, b'{"requests":[%b]}' % b",".join([item] * 40)))
        other.cancel()
        assert status == 200
        marks.append(sum(running.service.on_loop))
        assert marks[-1] == 40 * len(item)
        return max(after - before for before, after in itertools.pairwise(marks))

    assert run(work) <= MOST_ON_LOOP


@pytest.mark.parametrize(
    ("path", "items", "padding", "counted"),
    [(RISK, 1, 0, 1), (RISK, 1, 60_000, 1), (RISK, 1, 200_000, 4), (BATCH, 3, 0, 3), (BATCH, 3, 200_000, 6)],
)
def test_a_large_body_counts_as_several_requests(service, request_, path, items, padding, counted) -> None:
    """A client's share counts each item, and each further 64 KiB of a body."""
    now = [0.0]
    limiter = Limiter(LimitSettings(requests_per_second=1, burst=1), clock=lambda: now[0])
    scoring_app = ScoringApp(_nowhere, Exchange(service, access=AccessControl(limiter=limiter)))
    one = json.dumps(request_).encode()
    body = b'{"requests":[%b]}' % b",".join([one] * items) if path == BATCH else one
    body += b" " * padding

    async def ask() -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        await scoring_app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(ask()) == 200
    now[0] = counted - 0.5
    assert asyncio.run(ask()) == 429
    now[0] = counted
    assert asyncio.run(ask()) == 200


async def _nowhere(*_: object) -> None:
    raise AssertionError
