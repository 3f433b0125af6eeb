"""The client against servers that drop, refuse, stall and talk nonsense."""

from __future__ import annotations

import json
import time

import pytest

from customer_risk.serving.client import BadAnswerError, RefusedError, UnreachableError
from customer_risk.serving.client.client import RiskClient
from customer_risk.serving.openapi.examples import ANSWER

_JSON = "content-type: application/json"
_PROBLEM = "content-type: application/problem+json"
_LATER = json.dumps({"type": "urn:x", "title": "Later", "status": 503, "detail": "Come back."}).encode()


@pytest.fixture
def good(reply) -> bytes:
    """A sound answer."""
    return reply(200, json.dumps(ANSWER).encode(), _JSON)


def test_a_lost_answer_is_asked_for_again_under_the_same_key(misbehaving, good, ask) -> None:
    """A connection that ends after the request was read is tried again: the same key, the same body."""
    with misbehaving(None, good) as server:
        assert ask(server.url).score({"customer_id": "c-1"}).decision_id == ANSWER["decision_id"]
    first, second = server.saw
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_a_lost_batch_is_asked_for_again_under_the_same_key(misbehaving, reply, ask) -> None:
    """A batch is as safe to repeat as a single decision, under a key of the caller's or one made for it."""
    outcomes = reply(200, json.dumps({"items": [{"status": 200, "answer": ANSWER}]}).encode(), _JSON)
    with misbehaving(None, outcomes) as server:
        client = ask(server.url)
        assert client.batch([{}])[0].answer.decision_id == ANSWER["decision_id"]
        client.batch([{}], idempotency_key="mine")
    first, second, third = (each.headers["idempotency-key"] for each in server.saw)
    assert first == second != third == "mine"


def test_every_call_has_a_key_of_its_own(misbehaving, good, ask) -> None:
    """Two decisions about the same request are two."""
    with misbehaving(good) as server:
        client = ask(server.url)
        client.score({})
        client.score({})
    assert len({each.headers["idempotency-key"] for each in server.saw}) == 2


def test_a_callers_own_key_token_and_trace_are_sent(misbehaving, good, ask) -> None:
    """They arrive as given."""
    with misbehaving(good) as server:
        ask(server.url, token="secret").score({}, idempotency_key="mine", traceparent="00-a-b-01")  # noqa: S106  nobody's
    headers = server.saw[0].headers
    assert headers["idempotency-key"] == "mine"
    assert headers["authorization"] == "Bearer secret"
    assert headers["traceparent"] == "00-a-b-01"


@pytest.mark.parametrize("status", [429, 502, 503])
def test_what_passes_is_tried_again(misbehaving, good, reply, ask, status) -> None:
    """A refusal that says later isn't the last word."""
    with misbehaving(reply(status), good) as server:
        assert ask(server.url).score({}).segment == "high"
    assert len(server.saw) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(misbehaving, good, reply, ask, status) -> None:
    """The second attempt comes no sooner than the server asked."""
    with misbehaving(reply(status, b"", "retry-after: 1"), good) as server:
        began = time.monotonic()
        ask(server.url).score({})
        assert time.monotonic() - began >= 1


def test_a_wait_beyond_the_patience_is_not_begun(misbehaving, reply, ask) -> None:
    """Asked to come back in an hour, the client says so at once."""
    with misbehaving(reply(503, _LATER, _PROBLEM, "retry-after: 3600")) as server:
        began = time.monotonic()
        with pytest.raises(RefusedError, match="Come back") as caught:
            ask(server.url).score({})
        assert time.monotonic() - began < 600
    assert caught.value.status == 503
    assert len(server.saw) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_what_stays_is_not_tried_again(misbehaving, reply, ask, status) -> None:
    """Another attempt would be refused as well."""
    problem = {"type": "urn:x", "title": "No", "status": status, "detail": "No."}
    with (
        misbehaving(reply(status, json.dumps(problem).encode(), _PROBLEM)) as server,
        pytest.raises(RefusedError) as caught,
    ):
        ask(server.url).score({})
    assert caught.value.status == status
    assert len(server.saw) == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b'{"decision_id": 1}'])
def test_garbage_is_told_as_such(misbehaving, reply, ask, body) -> None:
    """A success that holds no answer is an error of its own, not tried again."""
    with misbehaving(reply(200, body, _JSON)) as server, pytest.raises(BadAnswerError):
        ask(server.url).score({})
    assert len(server.saw) == 1


def test_a_proxys_page_is_told_as_such(misbehaving, reply, ask) -> None:
    """A refusal that is no problem document isn't this service's."""
    with (
        misbehaving(reply(404, b"<html>", "content-type: text/html")) as server,
        pytest.raises(BadAnswerError, match="404"),
    ):
        ask(server.url).score({})


def test_a_body_cut_short_is_asked_for_again(misbehaving, good, ask) -> None:
    """Fewer bytes than declared are no answer."""
    with misbehaving(good[:-5], good) as server:
        assert ask(server.url).score({}).segment == "high"
    assert len(server.saw) == 2


def test_a_silent_server_is_given_up(misbehaving, ask) -> None:
    """All attempts together end within the patience."""
    with misbehaving(3600.0) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            ask(server.url, seconds=0.6, one=0.2).score({})
        assert time.monotonic() - began < 600


def test_attempts_are_bounded(misbehaving, ask) -> None:
    """A server that always hangs up is asked as often as the patience says."""
    with misbehaving(None) as server, pytest.raises(UnreachableError):
        ask(server.url, attempts=3).score({})
    assert len(server.saw) == 3


def test_nobody_there_is_told(ask) -> None:
    """A refused connection ends in the client's own error."""
    with pytest.raises(UnreachableError):
        ask("http://127.0.0.1:9", attempts=2).score({})


def test_an_impossible_address_is_told_at_once(ask) -> None:
    """A scheme that can't be spoken is not tried again."""
    with pytest.raises(UnreachableError, match="Can't be sent"):
        ask("ftp://127.0.0.1").score({})


def test_a_dribbling_server_is_given_up(ask) -> None:
    """An answer that never stops arriving ends with the patience, though no silence is long."""
    import socket
    import threading

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
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="slowly"):
            ask(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=0.4).score({})
        assert time.monotonic() - began < 600
        thread.join()


def test_an_unknown_certificate_is_not_trusted(misbehaving, good, encryption, ask, monkeypatch) -> None:
    """A server whose certificate the operating system doesn't trust gets no request."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with misbehaving(good, encryption=encryption) as server:
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(server.url, attempts=1).score({})
        assert not server.saw


def test_a_company_certificate_is_trusted(misbehaving, good, encryption, certificate, ask, monkeypatch) -> None:
    """A server whose certificate is in the file that SSL_CERT_FILE names gets the request."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with misbehaving(good, encryption=encryption) as server:
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
def test_settings_that_nothing_can_be_sent_with(url, token, surroundings, monkeypatch) -> None:
    """The error is the client's own and names what to check."""
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnreachableError, match="SSL_CERT_FILE and the proxy variables"):
        RiskClient(url, token=token)
