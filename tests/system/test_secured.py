"""A server as deployed: two workers on one port, with tokens, gRPC, switches and metrics."""

from __future__ import annotations

import json
import socket
import time

import grpc
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from tests.system.asking import PATIENCE, ask

pytestmark = pytest.mark.system

ISSUER, AUDIENCE = "https://issuer.example", "customer-risk"


class Deployed:
    """The server, and the issuer of its tokens."""

    def __init__(self, server, grpc_port: int, key: rsa.RSAPrivateKey) -> None:
        self.server, self.grpc_port, self._key = server, grpc_port, key
        self.answered = 0  # single requests that were answered
        self.url = f"http://127.0.0.1:{server.port}"

    def token(self, *scopes: str) -> dict[str, str]:
        """A header with a valid token."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "azp": "tester", "scope": " ".join(scopes)}
        signed = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "k-1"})
        return {"authorization": f"Bearer {signed}"}

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options) -> httpx2.Response:
        """Send one request on a new connection, for which the kernel chooses the worker."""
        response = ask(method, self.url + path, headers=headers or {}, **options)
        self.answered += path == "/ai/v1/risk" and response.status_code == 200
        return response


@pytest.fixture(scope="module")
def deployed(start, command, bundle, tmp_path_factory) -> Deployed:
    """The server with its settings, ready."""
    folder = tmp_path_factory.mktemp("deployed")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "k-1", "use": "sig", "alg": "RS256"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    settings = {
        "server": {"workers": 2},
        "run_folder": str(folder / "run"),
        "grpc": {"enabled": True, "port": grpc_port},
        "auth": {"enabled": True, "issuer": ISSUER, "audience": AUDIENCE, "jwks": str(folder / "jwks.json")},
    }
    (folder / "serving.yaml").write_text(json.dumps(settings))  # JSON is YAML too
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    return Deployed(server, grpc_port, key)


WAYS_IN = [
    ("POST", "/ai/v1/risk"),
    ("POST", "/ai/v1/risk:batch"),
    ("POST", "/ai/v1/risk/jobs"),
    ("GET", "/ai/v1/risk/jobs"),
    ("POST", "/v1/models/customer-risk:predict"),
    ("POST", "/v2/models/customer-risk/infer"),
    ("POST", "/v2/repository/models/customer-risk/load"),
    ("GET", "/ai/v1/admin/state"),
    ("POST", "/ai/v1/admin/rules"),
    ("GET", "/ai/v1/counters"),
]
OPEN = [
    "/healthz",
    "/v2/health/live",
    "/v2/health/ready",
    "/v1/models/customer-risk",
    "/v2/models/customer-risk",
    "/metrics",
    "/ai/v1/openapi.json",
    "/ai/v1/docs",
]


@pytest.mark.parametrize(("method", "path"), WAYS_IN)
def test_every_route_needs_a_token(deployed, method, path) -> None:
    """Every route for scoring and administration gets 401 without a token."""
    response = deployed.send(method, path, json={})
    assert (response.status_code, response.headers.get("www-authenticate")) == (401, "Bearer"), path


@pytest.mark.parametrize(("method", "path"), WAYS_IN)
def test_a_token_without_the_scope_is_refused(deployed, method, path) -> None:
    """A valid token without the scope gets 403."""
    assert deployed.send(method, path, deployed.token("other"), json={}).status_code == 403, path


@pytest.mark.parametrize("path", OPEN)
def test_health_metrics_and_descriptions_are_open(deployed, path) -> None:
    """Probes, metrics and documentation need no token."""
    assert deployed.send("GET", path).status_code == 200


def test_explanations_need_their_scope(deployed, sound_request) -> None:
    """An answer has explanations only if the token has the scope `explain`."""
    asked = ["score"], ["score", "explain"]
    without, with_ = (
        deployed.send("POST", "/ai/v1/risk", deployed.token(*scopes), json=sound_request).json()["reasons"][0]
        for scopes in asked
    )
    assert set(without) == {"code", "text", "direction"}
    assert {"value", "contribution", "investigator_text"} <= set(with_)


def _infer(deployed, sound_request, metadata) -> pb.ModelInferResponse:
    request = pb.ModelInferRequest(model_name="customer-risk")
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(json.dumps(sound_request).encode())
    with grpc.insecure_channel(f"127.0.0.1:{deployed.grpc_port}") as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        return stub.ModelInfer(request, metadata=tuple(metadata.items()), timeout=PATIENCE)


def test_grpc_needs_a_token(deployed, sound_request) -> None:
    """A gRPC call gets UNAUTHENTICATED without a token, PERMISSION_DENIED without the scope, and else an answer."""
    for metadata, code in (
        ({}, grpc.StatusCode.UNAUTHENTICATED),
        (deployed.token("other"), grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            _infer(deployed, sound_request, metadata)
        assert caught.value.code() == code
    response = _infer(deployed, sound_request, deployed.token("score"))
    assert response.model_name == "customer-risk"


def test_grpc_health_is_open(deployed) -> None:
    """A probe needs no token."""
    with grpc.insecure_channel(f"127.0.0.1:{deployed.grpc_port}") as channel:
        assert stubs.GRPCInferenceServiceStub(channel).ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready


def test_a_switch_reaches_every_worker(deployed, sound_request) -> None:
    """A switch on one connection applies to all workers."""
    admin, scorer = deployed.token("admin"), deployed.token("score")

    def sources() -> set[str]:
        asked = (deployed.send("POST", "/ai/v1/risk", scorer, json=sound_request) for _ in range(16))
        return {response.json()["source"] for response in asked}

    for force, source in ((True, "rules"), (False, "model")):
        switched = deployed.send("POST", "/ai/v1/admin/rules", admin, json={"force": force, "why": "a drill"})
        assert (switched.status_code, switched.json()["switched_by"]) == (200, "azp:tester")
        _until(lambda wanted=source: sources() == {wanted})


def _until(holds) -> None:
    """Wait until a condition holds that depends on several workers."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _count(deployed) -> float:
    lines = deployed.send("GET", "/metrics").text.splitlines()
    wanted = 'customer_risk_requests_total{code="200",route="/ai/v1/risk"} '
    return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)


def test_each_workers_metrics_include_all_workers(deployed, sound_request) -> None:
    """Each worker's metrics have the requests of all workers."""
    for _ in range(40):
        deployed.send("POST", "/ai/v1/risk", deployed.token("score"), json=sound_request)
    _until(lambda: {_count(deployed) for _ in range(8)} == {deployed.answered})


def test_a_large_batch_counts_and_answers(deployed, sound_request) -> None:
    """A batch of a thousand requests is answered."""
    body = {"requests": [sound_request] * 1000}
    items = deployed.send("POST", "/ai/v1/risk:batch", deployed.token("score"), json=body).json()["items"]
    assert len(items) == 1000
    assert {item["status"] for item in items} == {200}
