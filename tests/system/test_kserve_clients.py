"""KServe's and Triton's own clients call a server: binary and JSON, HTTP and gRPC, answered and refused."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from customer_risk.serving.decisions.service import Service
from tests.system.asking import ATTEMPTS, PATIENCE, WAITING
from tests.system.conftest import ROOT
from tests.system.standin import free_port, install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.system

MODEL = "customer-risk"
OF_THE_CALL = {"decision_id", "decided_at", "warnings"}  # these may differ from one call to the next
GUIDE = (ROOT / "docs/guide/protocols.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A server's addresses, customers as requests and as features, and the answers of /ai/v1/risk to both forms."""

    http: str
    grpc: str
    requests: list[str]
    ids: list[str]
    features: np.ndarray
    expected: dict[str, list[dict[str, Any]]]
    version: str


@pytest.fixture(scope="module")
def asked(start, command, bundle, sound_request, tmp_path_factory) -> Asked:
    """A server with gRPC beside HTTP, ready, and what it answers to three customers."""
    from customer_risk.model.scoring.bundle import load_bundle

    folder, port = tmp_path_factory.mktemp("clients"), free_port()
    settings = {"run_folder": str(folder / "run"), "grpc": {"enabled": True, "port": port}}
    (folder / "serving.yaml").write_text(json.dumps(settings))  # JSON is YAML too
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    made = [
        sound_request | {"customer_id": f"c-{count}", "transactions": sound_request["transactions"][:count]}
        for count in (0, 4, 10)
    ]
    service = Service(MODEL)
    service.use(load_bundle(bundle, verify_golden=False))
    texts = [json.dumps(each) for each in made]
    features = np.array([service.answer(text.encode()).basis.values for text in texts])
    given = [
        {name: None if np.isnan(value) else value for name, value in zip(service.names(), row, strict=True)}
        for row in features.tolist()
    ]
    bodies = {
        "requests": made,
        "features": [
            {"customer_id": each["customer_id"], "features": values} for each, values in zip(made, given, strict=True)
        ],
    }
    expected = {form: [server.post("/ai/v1/risk", each).json() for each in sent] for form, sent in bodies.items()}
    return Asked(
        http=f"127.0.0.1:{server.port}",
        grpc=f"127.0.0.1:{port}",
        requests=texts,
        ids=[each["customer_id"] for each in made],
        features=features,
        expected=expected,
        version=expected["requests"][0]["model"]["version"],
    )


def _assert_answers(outputs: dict[str, list[Any]], asked: Asked, form: str = "requests") -> None:
    """Compare with the answers of /ai/v1/risk to the same form, to the bit."""
    answers = [json.loads(text) for text in outputs["answer"]]
    for answer, expected in zip(answers, asked.expected[form], strict=True):
        assert {name: answer[name] for name in answer.keys() - OF_THE_CALL} == {
            name: expected[name] for name in expected.keys() - OF_THE_CALL
        }
    for name in ("probability", "segment", "action"):
        assert outputs[name] == [each[name] for each in asked.expected[form]]


@pytest.fixture(scope="module")
def triton() -> Path:
    """The Python of an environment with Triton's clients."""
    return install("triton") / "bin/python"


@pytest.fixture(scope="module")
def outcomes(asked, triton) -> dict[str, dict[str, Any]]:
    """What Triton's clients got, by the name of the call."""
    sent = {
        "http": asked.http,
        "grpc": asked.grpc,
        "requests": asked.requests,
        "ids": asked.ids,
        "features": asked.features.tolist(),  # Python's JSON has NaN
    }
    command = [triton, ROOT / "tests/system/triton_calls.py"]
    done = subprocess.run(
        command, input=json.dumps(sent), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "HTTP, requests, binary",
        "HTTP, requests, JSON",
        "HTTP, requests, JSON for binary",
        "HTTP, requests, binary for JSON",
        "HTTP, features, binary",
        "HTTP, requests, compressed response",
        "HTTP, parameters",
        "gRPC, requests",
        "gRPC, features",
        "gRPC, gzip",
        "asyncio, requests, binary",
        "asyncio, requests, JSON",
    ],
)
def test_tritons_clients_get_the_services_answers(outcomes, asked, name) -> None:
    """In each form, the answers equal those of /ai/v1/risk, to the bit."""
    assert "error" not in outcomes[name], outcomes[name]
    _assert_answers(outcomes[name]["result"], asked, "features" if "features" in name else "requests")


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("HTTP, gzip", "415", "Content-Encoding"),
        ("HTTP, deflate", "415", "Content-Encoding"),
        ("asyncio, gzip", "415", "Content-Encoding"),
        ("HTTP, another model", "404", "No model of this name is served."),
        ("HTTP, another version", "404", "This version isn't served."),
        ("HTTP, bad request", "422", "/inputs/0/data/0/customer_id: expected a string"),
        ("HTTP, load", "501", "The model can't be changed while it serves."),
        ("gRPC, another model", "StatusCode.NOT_FOUND", "No model of this name is served."),
    ],
)
def test_tritons_clients_show_why_they_are_refused(outcomes, name, status, words) -> None:
    """The exceptions of Triton's clients have the status, and the server's message."""
    assert outcomes[name]["status"] == status
    assert words in outcomes[name]["error"]
    assert "exception occurred in the client" not in outcomes[name]["error"]


def test_tritons_clients_read_health_and_metadata(outcomes, asked) -> None:
    """The server is live, server and model are ready, and the one version is the bundle's."""
    for protocol in ("HTTP", "gRPC"):
        assert outcomes[f"{protocol}, ready"]["result"] == [True, True, True]
        assert outcomes[f"{protocol}, metadata"]["result"] == [asked.version]
    assert outcomes["HTTP, server"]["result"] == ["binary_tensor_data"]


def _tensors(asked: Asked, form: str, *, binary: bool) -> list[InferInput]:
    texts = {"request": asked.requests} if form == "requests" else {"customer_id": asked.ids}
    tensors = []
    for name, values in texts.items():
        tensors.append(InferInput(name, [len(values)], "BYTES"))
        tensors[-1].set_data_from_numpy(np.array([text.encode() for text in values], object), binary_data=binary)
    if form == "features":
        tensors.append(InferInput("features", list(asked.features.shape), "FP64"))
        tensors[-1].set_data_from_numpy(asked.features, binary_data=binary)
    return tensors


def _read(response: Any) -> dict[str, list[Any]]:
    outputs = {each.name: each.as_numpy().tolist() for each in response.outputs}
    return {
        name: [each.decode() if isinstance(each, bytes) else each for each in values]
        for name, values in outputs.items()
    }


async def _patiently(call: Callable[[], Any]) -> Any:
    """Call, and again while the server is overloaded, as it may be on a slow machine."""
    for _ in range(ATTEMPTS):
        try:
            return await call()
        except (httpx.HTTPStatusError, grpc.aio.AioRpcError) as error:
            if WAITING not in str(error):
                raise
            await asyncio.sleep(1)
    raise AssertionError("the server stays overloaded")


def _by_rest(asked: Asked, data: Any, protocol: str = "v2", model: str = MODEL, **options: Any) -> Any:
    async def call() -> Any:
        config = RESTConfig(protocol=protocol, timeout=PATIENCE)
        async with InferenceRESTClient(config) as client:
            return await _patiently(lambda: client.infer(f"http://{asked.http}", data, model_name=model, **options))

    return asyncio.run(call())


def _by_grpc(asked: Asked, request: InferRequest) -> Any:
    async def call() -> Any:
        async with InferenceGRPCClient(asked.grpc, timeout=PATIENCE) as client:
            return await _patiently(lambda: client.infer(request))

    return asyncio.run(call())


@pytest.mark.parametrize("form", ["requests", "features"])
@pytest.mark.parametrize("sends", [False, True], ids=["JSON", "binary"])
@pytest.mark.parametrize("receives", [False, True], ids=["for JSON", "for binary"])
def test_kserves_rest_client_gets_the_services_answers(asked, form, sends, receives) -> None:
    """By V2 in each form, the answers equal those of /ai/v1/risk, to the bit."""
    wanted = [
        RequestedOutput(name, {"binary_data": True} if receives else None)
        for name in ("probability", "segment", "action", "answer")
    ]
    request = InferRequest(MODEL, _tensors(asked, form, binary=sends), request_outputs=wanted)
    _assert_answers(_read(_by_rest(asked, request)), asked, form)


def test_kserves_rest_client_gets_v1s_predictions(asked) -> None:
    """By V1, the predictions equal the answers of /ai/v1/risk."""
    instances = [json.loads(text) for text in asked.requests]
    predictions = _by_rest(asked, {"instances": instances}, "v1")["predictions"]
    outputs = {name: [each[name] for each in predictions] for name in ("probability", "segment", "action")}
    _assert_answers(outputs | {"answer": [json.dumps(each) for each in predictions]}, asked)


@pytest.mark.parametrize("form", ["requests", "features"])
@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
def test_kserves_grpc_client_gets_the_services_answers(asked, form, raw) -> None:
    """By gRPC, with typed and with raw contents, the answers equal those of /ai/v1/risk, to the bit."""
    _assert_answers(_read(_by_grpc(asked, InferRequest(MODEL, _tensors(asked, form, binary=raw)))), asked, form)


@pytest.mark.parametrize(
    ("protocol", "model", "data", "status", "words"),
    [
        ("v1", "other", {"instances": []}, 404, "No model of this name is served."),
        ("v2", "other", {"inputs": []}, 404, "No model of this name is served."),
        ("v1", MODEL, {"instances": [{"customer_id": 7}]}, 422, "/instances/0/customer_id: expected a string"),
        ("v2", MODEL, {"inputs": []}, 422, "/inputs: "),
        ("v2", MODEL, {"inputs": None, "id": None, "parameters": None, "outputs": None}, 422, "/inputs: "),
    ],
)
def test_kserves_client_shows_why_it_is_refused(asked, protocol, model, data, status, words) -> None:
    """The exception of KServe's client has the server's message and the status."""
    with pytest.raises(httpx.HTTPStatusError) as caught:
        _by_rest(asked, data, protocol, model)
    assert caught.value.response.status_code == status
    assert words in str(caught.value)
    assert str(caught.value).startswith(caught.value.response.json()["error"])


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_kserves_client_shows_that_a_compressed_body_is_refused(asked, protocol) -> None:
    """The exception about a compressed body names Content-Encoding."""
    with pytest.raises(httpx.HTTPStatusError, match="Content-Encoding") as caught:
        _by_rest(asked, {}, protocol, headers={"content-encoding": "gzip"})
    assert caught.value.response.headers["accept-encoding"] == "identity"


async def test_kserves_clients_read_health(asked) -> None:
    """Server and model are live and ready, by REST and gRPC."""
    url = f"http://{asked.http}"

    found = []
    for protocol in ("v1", "v2"):
        async with InferenceRESTClient(RESTConfig(protocol=protocol, timeout=PATIENCE)) as client:
            found += [await client.is_server_live(url), await client.is_model_ready(url, MODEL)]
            if protocol == "v2":
                found.append(await client.is_server_ready(url))
    async with InferenceGRPCClient(asked.grpc, timeout=PATIENCE) as client:
        found += [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready(MODEL)]
    assert found == [True] * 8


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_the_guides_examples_run(asked, triton, place, tmp_path) -> None:
    """Each example prints the segment of a customer, in the environment of its client."""
    example = EXAMPLES[place].replace("127.0.0.1:8080", asked.http).replace("127.0.0.1:8081", asked.grpc)
    (tmp_path / "example.py").write_text(example)
    python = triton if "tritonclient" in example else sys.executable
    done = subprocess.run(
        [python, tmp_path / "example.py"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in {"low", "medium", "high"}


def test_the_guide_has_an_example_for_each_client() -> None:
    """The guide has examples for Triton's and KServe's clients, for HTTP and for gRPC."""
    wanted = ("tritonclient.http", "tritonclient.grpc", "InferenceRESTClient", "InferenceGRPCClient")
    assert [sum(name in each for each in EXAMPLES) for name in wanted] == [1, 1, 1, 1]
