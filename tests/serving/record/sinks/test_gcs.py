"""The bucket's sink before servers that refuse, hang or talk nonsense; a sound one is tests/system's."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


class Server(ThreadingHTTPServer):
    """Answers every request the same way: with a status and a body, or with `granted` rights."""

    daemon_threads = True
    status = 200
    body = b"{}"
    granted: tuple[str, ...] = ()
    asked: list[str]

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Takes what comes."""

    def answer(self) -> None:
        """Answer as the server is told to."""
        self.server.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body, status = self.server.body, self.server.status
        if "testPermissions" in self.path:
            body = json.dumps({"permissions": self.server.granted}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815  names of the base class

    def log_message(self, *_: object) -> None:
        """Keep still."""


@pytest.fixture
def server():
    """A server to be told what to answer."""
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def objects(server):
    """A bucket's objects there."""
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
    """Rights may be given back and servers recover: nothing is lost meanwhile, and each try is one request."""
    server.status = status
    with pytest.raises(SinkUnavailable, match="The bucket 'records' fails"):
        ACTS[act](objects)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"["])
def test_nonsense_is_unavailable(objects, server, body) -> None:
    """A captive portal answers 200 too; as an object its answer is judged by its hash."""
    server.body = body
    assert objects.get("x.json") == body
    with pytest.raises(SinkUnavailable):
        list(objects.list("dt="))


def test_a_full_precondition_tells_that_there_is_one(objects, server) -> None:
    """It isn't an error."""
    server.status = 412
    assert objects.create("x.json", b"x") is False
    assert "ifGenerationMatch=0" in server.asked[0]


def test_what_is_not_there_is_none(objects, server) -> None:
    """Nor is it an error to delete it."""
    server.status = 404
    assert objects.get("x.json") is None
    objects.delete("x.json")
    assert len(server.asked) == 2


def test_keys_begin_with_the_prefix(objects, server) -> None:
    """However its slashes were written; those given don't have it."""
    server.body = b'{"items": [{"name": "a/b/dt=1"}]}'
    assert list(objects.list("dt=")) == ["dt=1"]
    assert "prefix=a%2Fb%2Fdt%3D" in server.asked[0]
    objects.get("x.json")
    assert "/records/o/a%2Fb%2Fx.json" in server.asked[1]


def test_a_server_that_hangs_is_unavailable_soon(monkeypatch) -> None:
    """Connections are taken and nothing answered."""
    monkeypatch.setitem(credentials.ONCE, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        objects = open_objects(GcsSettings(bucket="records", endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        for act in ACTS.values():
            began = time.monotonic()
            with pytest.raises(SinkUnavailable):
                act(objects)
            assert time.monotonic() - began < 600
        objects.close()


def test_nobody_listening_is_unavailable() -> None:
    """At once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    objects = open_objects(GcsSettings(bucket="records", endpoint=endpoint))
    for act in (*ACTS.values(), lambda objects: objects.check()):
        with pytest.raises(SinkUnavailable):
            act(objects)
    objects.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_bucket_that_cannot_be_used_is_a_mistake_of_configuration(objects, server, status) -> None:
    """The check names the setting and the bucket."""
    server.status = status
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks: gcs: the bucket 'records' can't be used"):
        objects.check()


def test_missing_rights_are_a_mistake_of_configuration(objects, server) -> None:
    """The check names them, before the first record would be held up."""
    server.granted = ("storage.objects.get", "storage.objects.list")
    with pytest.raises(ConfigError, match=r"lacks storage\.objects\.create in the bucket 'records'"):
        objects.check()


def test_the_rights_that_are_needed_are_enough(objects, server) -> None:
    """The check writes nothing."""
    server.granted = gcs._NEEDED
    objects.check()
    assert {each.partition(" ")[0] for each in server.asked} == {"GET"}


def test_a_server_in_trouble_is_no_mistake_of_configuration(objects, server) -> None:
    """It may recover."""
    server.status = 503
    with pytest.raises(SinkUnavailable):
        objects.check()


@pytest.mark.parametrize("content", [None, "{", '{"type": "service_account"}'])
def test_missing_credentials_are_a_mistake_of_configuration(tmp_path, monkeypatch, content) -> None:
    """A file that isn't there, is none or lacks what it needs; the check says what to set."""
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
    """A service account's sink, whose tokens are the server's to give."""
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


def test_credentials_that_are_refused_are_a_mistake_of_configuration(account, server) -> None:
    """Such as those of an account that was deleted."""
    server.status, server.body = 400, b'{"error": "invalid_grant"}'
    with pytest.raises(ConfigError, match="invalid_grant"):
        account.check()


def test_tokens_that_cannot_be_had_now_are_unavailable(account, server) -> None:
    """Whoever gives them may recover."""
    server.status, server.body = 503, b'{"error": "temporarily_unavailable"}'
    with pytest.raises(SinkUnavailable):
        account.check()


def test_no_bucket_is_a_mistake_of_configuration() -> None:
    """The setting is named before anything is asked."""
    with pytest.raises(ConfigError, match="`bucket` is empty"):
        open_sink(GcsSettings(bucket=""), "a" * 32)


def test_settings_that_are_none_are_refused() -> None:
    """A misspelt one would do something else than was meant."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"type": "gcs", "bucket": "a", "prefx": "b"}, GcsSettings)
