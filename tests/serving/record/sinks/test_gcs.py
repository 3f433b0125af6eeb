"""The bucket's sink with servers that refuse, hang or send invalid responses; tests/system has a working server."""

from __future__ import annotations

import gc
import json
import socket
import time
import warnings

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud import credentials
from customer_risk.serving.record.sinks import gcs
from customer_risk.serving.record.sinks.factory import open_objects, open_sink
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import GcsSettings
from tests.http_server import serving


class Server:
    """The answer of a server to every request, the rights that it has `granted`, and the requests that it got."""

    def __init__(self) -> None:
        self.status, self.body, self.endpoint = 200, b"{}", ""
        self.granted: tuple[str, ...] = ()
        self.asked: list[str] = []

    def answer(self, request, _: bytes) -> tuple[int, object]:
        """Store the request; return the rights or the answer that the test set."""
        self.asked.append(f"{request.command} {request.path}")
        return self.status, {"permissions": self.granted} if "testPermissions" in request.path else self.body


@pytest.fixture
def server():
    """A server whose answer the test sets."""
    made = Server()
    with serving(made.answer) as made.endpoint:
        yield made


@pytest.fixture
def objects(server):
    """The objects of a bucket of that server."""
    made = open_objects(GcsSettings(bucket="records", prefix="/a/b/", endpoint=server.endpoint))
    yield made
    made.close()
    with warnings.catch_warnings():
        # google-auth never reads the response to a download that gets a 401; garbage collection closes its socket.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


ACTS = {
    "get": lambda objects: objects.get("x.json"),
    "create": lambda objects: objects.create("x.json", b"x"),
    "list": lambda objects: list(objects.list("dt=")),
    "delete": lambda objects: objects.delete("x.json"),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
def test_a_refusal_is_unavailable(objects, server, act, status) -> None:
    """A refusal raises SinkUnavailable after one request, since rights and servers may recover."""
    server.status = status
    with pytest.raises(SinkUnavailable, match="The bucket 'records' fails"):
        ACTS[act](objects)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"["])
def test_an_invalid_response_is_unavailable(objects, server, body) -> None:
    """A body that isn't an API response raises SinkUnavailable."""
    server.body = body
    assert objects.get("x.json") == body
    with pytest.raises(SinkUnavailable):
        list(objects.list("dt="))


def test_a_failed_precondition_means_that_the_object_exists(objects, server) -> None:
    """A failed precondition means that the object exists."""
    server.status = 412
    assert objects.create("x.json", b"x") is False
    assert "ifGenerationMatch=0" in server.asked[0]


def test_a_missing_object_is_none(objects, server) -> None:
    """A missing object is None, and deleting it is not an error."""
    server.status = 404
    assert objects.get("x.json") is None
    objects.delete("x.json")
    assert len(server.asked) == 2


def test_keys_begin_with_the_prefix(objects, server) -> None:
    """Stored keys begin with the prefix, however its slashes are written; listed keys don't have it."""
    server.body = b'{"items": [{"name": "a/b/dt=1"}]}'
    assert list(objects.list("dt=")) == ["dt=1"]
    assert "prefix=a%2Fb%2Fdt%3D" in server.asked[0]
    objects.get("x.json")
    assert "/records/o/a%2Fb%2Fx.json" in server.asked[1]


def test_a_server_that_hangs_is_unavailable_soon(monkeypatch) -> None:
    """A server that accepts connections and doesn't answer raises SinkUnavailable."""
    monkeypatch.setitem(credentials.ONCE, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        objects = open_objects(GcsSettings(bucket="records", endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        for act in ACTS.values():
            began = time.monotonic()
            with pytest.raises(SinkUnavailable):
                act(objects)
            assert time.monotonic() - began < 600
        objects.close()


def test_a_refused_connection_is_unavailable() -> None:
    """A refused connection raises SinkUnavailable."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    objects = open_objects(GcsSettings(bucket="records", endpoint=endpoint))
    for act in (*ACTS.values(), lambda objects: objects.check()):
        with pytest.raises(SinkUnavailable):
            act(objects)
    objects.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_unusable_bucket_is_a_config_error(objects, server, status) -> None:
    """The check names the setting and the bucket."""
    server.status = status
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks: gcs: the bucket 'records' can't be used"):
        objects.check()


def test_missing_rights_are_a_config_error(objects, server) -> None:
    """The check names missing rights."""
    server.granted = ("storage.objects.get", "storage.objects.list")
    with pytest.raises(ConfigError, match=r"lacks storage\.objects\.create in the bucket 'records'"):
        objects.check()


def test_the_rights_that_are_needed_are_enough(objects, server) -> None:
    """The check passes with the needed rights, and writes nothing."""
    server.granted = gcs._NEEDED
    objects.check()
    assert {each.partition(" ")[0] for each in server.asked} == {"GET"}


def test_a_server_error_is_unavailable(objects, server) -> None:
    """A server's error in the check raises SinkUnavailable, not ConfigError."""
    server.status = 503
    with pytest.raises(SinkUnavailable):
        objects.check()


@pytest.mark.parametrize("content", [None, "{", '{"type": "service_account"}'])
def test_missing_credentials_are_a_config_error(tmp_path, monkeypatch, content) -> None:
    """A credentials file that is missing or invalid fails the check, which says what to set."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    sink = open_sink(GcsSettings(bucket="records", endpoint="https://127.0.0.1:1"), "a" * 32)
    with pytest.raises(ConfigError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        sink.check()
    sink.close()


@pytest.fixture
def account(server, tmp_path, monkeypatch):
    """A sink with a service account, whose tokens the server makes."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    content = {
        "type": "service_account",
        "client_email": "shipper@bank",
        "private_key": pem,
        "token_uri": f"{server.endpoint}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    made = open_objects(GcsSettings(bucket="records", endpoint="https://127.0.0.1:1"))
    yield made
    made.close()


def test_refused_credentials_are_a_config_error(account, server) -> None:
    """Credentials of a deleted account raise ConfigError."""
    server.status, server.body = 400, b'{"error": "invalid_grant"}'
    with pytest.raises(ConfigError, match="invalid_grant"):
        account.check()


def test_an_unavailable_token_server_is_unavailable(account, server) -> None:
    """An unavailable token server raises SinkUnavailable."""
    server.status, server.body = 503, b'{"error": "temporarily_unavailable"}'
    with pytest.raises(SinkUnavailable):
        account.check()


def test_an_empty_bucket_is_a_config_error() -> None:
    """An empty bucket is refused before any request, with the name of the setting."""
    with pytest.raises(ConfigError, match="`bucket` is empty"):
        open_sink(GcsSettings(bucket=""), "a" * 32)


def test_an_unknown_setting_is_refused() -> None:
    """An unknown setting is refused."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"type": "gcs", "bucket": "a", "prefx": "b"}, GcsSettings)
