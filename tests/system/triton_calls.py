"""Calls a server with Triton's clients, in their own environment: `python triton_calls.py < ASKED`.

ASKED is JSON: the addresses `http` and `grpc`, and for each customer a text in `requests`, an id in `ids` and a row in
`features`. It prints one JSON object: what each call returned by its name, or the error that it raised.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.http as by_http
import tritonclient.http.aio as by_asyncio
from tritonclient.utils import InferenceServerException

MODEL = "customer-risk"
ATTEMPTS = 100
WAITING = "More requests are waiting than can be answered in time."
ASKED = json.load(sys.stdin)
TEXTS = np.array([text.encode() for text in ASKED["requests"]], object)
IDS = np.array([name.encode() for name in ASKED["ids"]], object)
ROWS = np.array(ASKED["features"], np.float64)


def patient(call: Callable[[], Any]) -> Any:
    """Call, and again while the server is overloaded, as it may be on a slow machine."""
    for _ in range(ATTEMPTS):
        try:
            return call()
        except InferenceServerException as error:
            if WAITING not in error.message():
                raise
            time.sleep(1)
    raise AssertionError("the server stays overloaded")


def inputs(kind: Any, form: str, **how: bool) -> list[Any]:
    """Return the tensors of all customers: as requests, or as features."""
    columns = {"request": TEXTS} if form == "requests" else {"customer_id": IDS, "features": ROWS}
    tensors = []
    for name, values in columns.items():
        tensor = kind(name, list(values.shape), "FP64" if values.dtype == np.float64 else "BYTES")
        tensor.set_data_from_numpy(values, **how)
        tensors.append(tensor)
    return tensors


def answers(result: Any) -> dict[str, Any]:
    """Return the tensors of a result."""
    texts = {name: [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy(name)]
             for name in ("answer", "segment", "action")}  # fmt: skip
    return texts | {"probability": result.as_numpy("probability").tolist()}


def chosen(kind: Any, **how: bool) -> list[Any]:
    """Return a request for every output."""
    return [kind(name, **how) for name in ("probability", "segment", "action", "answer")]


def calls_by_http(client: Any) -> dict[str, Callable[[], Any]]:
    """Return the calls of the HTTP client."""

    def infer(form: str, *, binary: bool, asks: bool | None = None, **options: Any) -> Any:
        outputs = None if asks is None else chosen(by_http.InferRequestedOutput, binary_data=asks)
        sent = inputs(by_http.InferInput, form, binary_data=binary)
        return answers(client.infer(options.pop("model", MODEL), sent, outputs=outputs, **options))

    def bad() -> Any:
        tensor = by_http.InferInput("request", [1], "BYTES")
        return client.infer(MODEL, [tensor.set_data_from_numpy(np.array([b'{"customer_id": 7}'], object))])

    return {
        "HTTP, requests, binary": lambda: infer("requests", binary=True),
        "HTTP, requests, JSON": lambda: infer("requests", binary=False, asks=False),
        "HTTP, requests, JSON for binary": lambda: infer("requests", binary=False),
        "HTTP, requests, binary for JSON": lambda: infer("requests", binary=True, asks=False),
        "HTTP, features, binary": lambda: infer("features", binary=True, asks=True),
        "HTTP, requests, compressed response": lambda: infer(
            "requests", binary=True, response_compression_algorithm="gzip"
        ),
        "HTTP, parameters": lambda: infer("requests", binary=True, request_id="7", priority=1, timeout=10**7),
        "HTTP, gzip": lambda: infer("requests", binary=True, request_compression_algorithm="gzip"),
        "HTTP, deflate": lambda: infer("requests", binary=False, request_compression_algorithm="deflate"),
        "HTTP, another model": lambda: infer("requests", binary=True, model="other"),
        "HTTP, another version": lambda: infer("requests", binary=True, model_version="1"),
        "HTTP, bad request": bad,
        "HTTP, ready": lambda: [client.is_server_live(), client.is_server_ready(), client.is_model_ready(MODEL)],
        "HTTP, metadata": lambda: client.get_model_metadata(MODEL)["versions"],
        "HTTP, server": lambda: client.get_server_metadata()["extensions"],
        "HTTP, load": lambda: client.load_model(MODEL),
    }


def calls_by_grpc(client: Any) -> dict[str, Callable[[], Any]]:
    """Return the calls of the gRPC client."""

    def infer(form: str, model: str = MODEL, **options: Any) -> Any:
        return answers(client.infer(model, inputs(by_grpc.InferInput, form), **options))

    return {
        "gRPC, requests": lambda: infer("requests"),
        "gRPC, features": lambda: infer("features", outputs=chosen(by_grpc.InferRequestedOutput)),
        "gRPC, gzip": lambda: infer("requests", compression_algorithm="gzip"),
        "gRPC, another model": lambda: infer("requests", "other"),
        "gRPC, ready": lambda: [client.is_server_live(), client.is_server_ready(), client.is_model_ready(MODEL)],
        "gRPC, metadata": lambda: list(client.get_model_metadata(MODEL).versions),
    }


def calls_by_asyncio() -> dict[str, Callable[[], Any]]:
    """Return the calls of the HTTP client for asyncio."""

    async def infer(*, binary: bool, **options: Any) -> Any:
        async with by_asyncio.InferenceServerClient(ASKED["http"]) as client:
            sent = inputs(by_asyncio.InferInput, "requests", binary_data=binary)
            return answers(await client.infer(MODEL, sent, **options))

    def run(call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(call)

    return {
        "asyncio, requests, binary": lambda: run(infer(binary=True)),
        "asyncio, requests, JSON": lambda: run(
            infer(binary=False, outputs=chosen(by_asyncio.InferRequestedOutput, binary_data=False))
        ),
        "asyncio, gzip": lambda: run(infer(binary=True, request_compression_algorithm="gzip")),
    }


def outcome(call: Callable[[], Any]) -> dict[str, Any]:
    """Return what a call returned, or its error as the client shows it."""
    try:
        return {"result": patient(call)}
    except InferenceServerException as error:
        return {"status": error.status(), "error": error.message()}


if __name__ == "__main__":
    seconds = 600.0
    http = by_http.InferenceServerClient(ASKED["http"], connection_timeout=seconds, network_timeout=seconds)
    grpc = by_grpc.InferenceServerClient(ASKED["grpc"])
    called = {**calls_by_http(http), **calls_by_grpc(grpc), **calls_by_asyncio()}
    json.dump({name: outcome(call) for name, call in called.items()}, sys.stdout)
