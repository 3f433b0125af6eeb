"""Both clients against servers that close connections, refuse, respond slowly or send invalid responses."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from customer_risk.serving.openapi.examples import ANSWER
from customer_risk_client import BadAnswerError, RefusedError, UnreachableError

_JSON = "content-type: application/json"
_PROBLEM = "content-type: application/problem+json"
_LATER = json.dumps({"type": "urn:x", "title": "Later", "status": 503, "detail": "Send it again later."}).encode()


@pytest.fixture
def good(reply) -> bytes:
    """A valid answer."""
    return reply(200, json.dumps(ANSWER).encode(), _JSON)


def test_a_lost_answer_is_requested_again_with_the_same_key(scripted, good, ask) -> None:
    """A request whose connection was closed before the answer is repeated with the same key and body."""
    with scripted(None, good) as server:
        assert ask(server.url).score({"customer_id": "c-1"}).decision_id == ANSWER["decision_id"]
    first, second = server.saw
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_a_lost_batch_is_requested_again_with_the_same_key(scripted, reply, ask) -> None:
    """A batch is repeated with the caller's key, or with the key that the client made for it."""
    outcomes = reply(200, json.dumps({"items": [{"status": 200, "answer": ANSWER}]}).encode(), _JSON)
    with scripted(None, outcomes) as server:
        client = ask(server.url)
        assert client.batch([{}])[0].answer.decision_id == ANSWER["decision_id"]
        client.batch([{}], idempotency_key="mine")
    first, second, third = (each.headers["idempotency-key"] for each in server.saw)
    assert first == second != third == "mine"


def test_every_call_has_a_key_of_its_own(scripted, good, ask) -> None:
    """Two calls with the same request have different keys."""
    with scripted(good) as server:
        client = ask(server.url)
        client.score({})
        client.score({})
    assert len({each.headers["idempotency-key"] for each in server.saw}) == 2


def test_a_callers_own_key_token_and_trace_are_sent(scripted, good, ask) -> None:
    """The caller's key, token and traceparent are sent unchanged."""
    with scripted(good) as server:
        ask(server.url, token="secret").score({}, idempotency_key="mine", traceparent="00-a-b-01")  # noqa: S106  not a real token
    headers = server.saw[0].headers
    assert headers["idempotency-key"] == "mine"
    assert headers["authorization"] == "Bearer secret"
    assert headers["traceparent"] == "00-a-b-01"


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_temporary_refusal_is_retried(scripted, good, reply, ask, status) -> None:
    """A request refused with 429, 502 or 503 is repeated."""
    with scripted(reply(status), good) as server:
        assert ask(server.url).score({}).segment == "high"
    assert len(server.saw) == 2


def test_retry_after_is_honoured(scripted, good, reply, ask) -> None:
    """The second attempt comes no sooner than Retry-After says."""
    with scripted(reply(503, b"", "retry-after: 1"), good) as server:
        began = time.monotonic()
        ask(server.url).score({})
        assert time.monotonic() - began >= 1


def test_a_wait_beyond_the_patience_is_not_started(scripted, reply, ask) -> None:
    """A Retry-After of an hour raises the refusal at once."""
    with (
        scripted(reply(503, _LATER, _PROBLEM, "retry-after: 3600")) as server,
        pytest.raises(RefusedError, match="Send it again later") as caught,
    ):
        ask(server.url).score({})
    assert caught.value.status == 503
    assert len(server.saw) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_a_permanent_refusal_is_not_retried(scripted, reply, ask, status) -> None:
    """A request refused with any other status is not repeated."""
    problem = {"type": "urn:x", "title": "No", "status": status, "detail": "No."}
    with (
        scripted(reply(status, json.dumps(problem).encode(), _PROBLEM)) as server,
        pytest.raises(RefusedError) as caught,
    ):
        ask(server.url).score({})
    assert caught.value.status == status
    assert len(server.saw) == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b'{"decision_id": 1}'])
def test_a_body_that_is_no_answer_is_an_error(scripted, reply, ask, body) -> None:
    """A success without a valid answer raises BadAnswerError and is not repeated."""
    with scripted(reply(200, body, _JSON)) as server, pytest.raises(BadAnswerError):
        ask(server.url).score({})
    assert len(server.saw) == 1


def test_a_proxys_page_is_an_error(scripted, reply, ask) -> None:
    """A refusal that isn't a problem document raises BadAnswerError with the status."""
    with (
        scripted(reply(404, b"<html>", "content-type: text/html")) as server,
        pytest.raises(BadAnswerError, match="404"),
    ):
        ask(server.url).score({})


def test_a_body_that_cannot_be_decompressed_is_an_error(scripted, reply, ask) -> None:
    """A response whose compression is invalid raises BadAnswerError and is not repeated."""
    gzip = reply(200, b"plain", _JSON, "content-encoding: gzip")
    with scripted(gzip) as server, pytest.raises(BadAnswerError, match="decompressed"):
        ask(server.url).score({})
    assert len(server.saw) == 1


def test_an_incomplete_body_is_requested_again(scripted, good, ask) -> None:
    """A response with fewer bytes than declared is requested again."""
    with scripted(good[:-5], good) as server:
        assert ask(server.url).score({}).segment == "high"
    assert len(server.saw) == 2


def test_a_silent_server_is_abandoned(scripted, ask) -> None:
    """A call to a server that never responds ends with UnreachableError."""
    with scripted(3600.0) as server, pytest.raises(UnreachableError):
        ask(server.url, seconds=0.6, one=0.2).score({})


def test_attempts_are_bounded(scripted, ask) -> None:
    """A server that closes every connection gets as many attempts as the patience allows."""
    with scripted(None) as server, pytest.raises(UnreachableError):
        ask(server.url, attempts=3).score({})
    assert len(server.saw) == 3


def test_a_refused_connection_is_an_error(ask) -> None:
    """A refused connection raises UnreachableError with the number of attempts."""
    with pytest.raises(UnreachableError, match="No answer after 2 attempts in"):
        ask("http://127.0.0.1:9", attempts=2).score({})


def test_an_unsupported_scheme_is_an_error_at_once(ask) -> None:
    """A URL with an unsupported scheme is not tried again."""
    with pytest.raises(UnreachableError, match="can't be sent"):
        ask("ftp://127.0.0.1").score({})


def test_a_server_that_sends_too_slowly_is_abandoned(ask) -> None:
    """A response that arrives in small pieces, without a long pause, ends with the patience."""

    def dribble(listening) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            for _ in range(100_000):
                time.sleep(0.03)
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=dribble, args=(listening,))
        thread.start()
        with pytest.raises(UnreachableError, match="slowly"):
            ask(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=0.4).score({})
        thread.join()


def test_an_unknown_certificate_is_not_trusted(scripted, good, encryption, ask, monkeypatch) -> None:
    """A server with a certificate that the operating system doesn't trust gets no request."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with scripted(good, encryption=encryption) as server:
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(server.url, attempts=1).score({})
        assert not server.saw


def test_a_company_certificate_is_trusted(scripted, good, encryption, certificate, ask, monkeypatch) -> None:
    """A server whose certificate is in the file that SSL_CERT_FILE names gets the request."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with scripted(good, encryption=encryption) as server:
        assert ask(server.url).score({}).segment == "high"


@pytest.mark.parametrize(
    ("url", "token", "surroundings"),
    [
        ("http://127.0.0.1:port", None, {}),
        ("http://[::1", None, {}),
        ("http://127.0.0.1:1", "\u00e4\u6f22", {}),
        ("https://127.0.0.1:1", None, {"SSL_CERT_FILE": "/nonexistent"}),
        ("https://127.0.0.1:1", None, {"SSL_CERT_FILE": __file__}),
        ("http://127.0.0.1:1", None, {"ALL_PROXY": "unknown://127.0.0.1:1"}),
    ],
    ids=["port", "address", "token", "no certificates' file", "no certificates in it", "proxy"],
)
def test_settings_that_prevent_every_request_are_an_error(make_client, url, token, surroundings, monkeypatch) -> None:
    """The error is the client's own and names what to check."""
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnreachableError, match="SSL_CERT_FILE and the proxy variables"):
        make_client(url, token=token)
