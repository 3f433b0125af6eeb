"""The answers of a server are compared with a bundle's golden answers."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import httpx2
import msgspec
import pytest
from click.testing import CliRunner

from customer_risk.model.errors import BundleError, ConfigError, GoldenMismatch
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving import golden_check
from customer_risk.serving.cli import golden_command
from customer_risk.serving.cli.commands import golden
from customer_risk.serving.contract.answer import render
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.golden_check import GoldenAnswer, NoGoldenAnswer, check, difference
from tests.scripted_server import ScriptedServer, response
from tests.serving.listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def rows(bundle):
    """The bundle's golden rows."""
    return load_bundle(bundle, verify_golden=False).golden


@pytest.fixture(scope="module")
def service(bundle) -> Service:
    """A service with the bundle."""
    service = Service("customer-risk")
    service.use(load_bundle(bundle))
    return service


@pytest.fixture(scope="module")
def url(service) -> Iterator[str]:
    """The URL of a server with the bundle."""
    with listening(service) as url:
        yield url


@pytest.fixture
def http(url) -> Iterator[httpx2.Client]:
    """An HTTP client of that server."""
    with httpx2.Client(base_url=url) as client:
        yield client


@pytest.fixture
def other(bundle, tmp_path):
    """A copy of the bundle's files, to be changed."""
    return shutil.copytree(bundle, tmp_path / "bundle")


@pytest.fixture(scope="module")
def answer(service, rows) -> GoldenAnswer:
    """The answer to the first golden request, without explanations."""
    return _answer(service, rows[0])


def _answer(service: Service, row) -> GoldenAnswer:
    answered = service.answer(json.dumps(row["request"]).encode())
    return msgspec.json.decode(msgspec.json.encode(render(answered, explain=False)), type=GoldenAnswer)


def test_every_golden_request_is_answered_as_expected(service, rows) -> None:
    """The answers of the service don't differ from the golden ones."""
    assert [difference(row, _answer(service, row)) for row in rows] == [None] * len(rows)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": "rules"}, "it comes from rules, not from the model"),
        ({"probability": None}, "the probability is None"),
        ({"probability": 0.5}, "the probability is 0.5, not 0."),
        ({"segment": "none"}, "the segment is 'none', not '"),
        ({"action": "other"}, "the action is 'other', not '"),
        ({"reasons": ()}, "the reasons is [], not [("),
    ],
)
def test_a_difference_is_named(rows, answer, changed, said) -> None:
    """A difference names the field and both values."""
    found = difference(rows[0], msgspec.structs.replace(answer, **changed))
    assert found is not None
    assert found.startswith(said)


def test_a_last_bit_is_no_difference(rows, answer) -> None:
    """A probability may differ in its last bit, since processors round differently."""
    assert difference(rows[0], msgspec.structs.replace(answer, probability=answer.probability + 1e-12)) is None


def test_a_server_with_the_bundle_passes(http, bundle, rows) -> None:
    """All golden requests are sent and counted."""
    assert check(http, bundle) == len(rows)


def test_the_first_difference_ends_the_check(http, other) -> None:
    """The error names the first golden request whose answer differs, with both values."""
    rows = json.loads((other / "golden.json").read_bytes())
    rows[1]["answer"]["probability"] += 1e-6
    (other / "golden.json").write_text(json.dumps(rows))
    with pytest.raises(GoldenMismatch, match=r"The answer to golden request 1 differs: the probability is 0"):
        check(http, other)


def test_another_bundle_that_answers_is_a_difference(http, other) -> None:
    """A server with another bundle fails the check, even if the answers are equal."""
    (other / "manifest.json").write_bytes((other / "manifest.json").read_bytes() + b" ")
    with pytest.raises(GoldenMismatch, match="answers, not"):
        check(http, other)


@pytest.mark.parametrize(("content", "said"), [(None, "isn't a readable bundle"), ("[]", "has no golden row")])
def test_a_bundle_without_golden_rows_is_an_error(http, other, content, said) -> None:
    """A folder without golden rows doesn't pass the check."""
    if content is None:
        (other / "golden.json").unlink()
    else:
        (other / "golden.json").write_text(content)
    with pytest.raises(BundleError, match=said):
        check(http, other)


@pytest.mark.parametrize("failure", [None, response(503), response(429)])
def test_a_temporary_failure_is_retried_with_the_same_key(bundle, answer, failure) -> None:
    """A request is repeated after a lost connection or a temporary refusal, with its idempotency key."""
    body = msgspec.json.encode(msgspec.structs.replace(answer, source="rules"))
    with ScriptedServer(failure, response(200, body)) as server, httpx2.Client(base_url=server.url) as http:
        with pytest.raises(GoldenMismatch, match="from rules"):
            check(http, bundle)
        first, second = (each.headers["idempotency-key"] for each in server.saw)
    assert first == second


@pytest.mark.parametrize(
    ("script", "said", "attempts"),
    [
        (None, "No answer from http://127.0.0.1", 5),
        (response(503, b"busy"), "status 503: busy", 5),
        (response(401, b"no token"), "status 401: no token", 1),
        (response(200, b"<html>"), "isn't an answer of this service", 1),
    ],
)
def test_a_server_that_does_not_answer_fails(bundle, monkeypatch, script, said, attempts) -> None:
    """The error says what the server responded to the last attempt."""
    monkeypatch.setattr(golden_check.time, "sleep", lambda _: None)
    with ScriptedServer(script) as server, httpx2.Client(base_url=server.url) as http:
        with pytest.raises(NoGoldenAnswer, match=said):
            check(http, bundle)
        assert len(server.saw) == attempts


def test_the_command_prints_the_number_of_requests(url, bundle) -> None:
    """The command succeeds if all answers are correct, and prints their number."""
    done = CliRunner().invoke(golden, [url, "--bundle", str(bundle)])
    assert (done.exit_code, "golden requests correctly" in done.output) == (0, True)


def test_the_command_ends_with_1_after_a_wrong_answer(url, other) -> None:
    """A wrong answer ends the command with 1, so that a deployment fails."""
    (other / "manifest.json").write_bytes((other / "manifest.json").read_bytes() + b" ")
    done = CliRunner().invoke(golden, [url, "--bundle", str(other)])
    assert (done.exit_code, "golden request 0 differs" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("http://127.0.0.1:port", ConfigError, "No requests can be sent to 'http://127.0.0.1:port'"),
        ("ftp://127.0.0.1", SystemExit, "1"),
    ],
)
def test_the_command_refuses_an_invalid_url(bundle, url, error, said) -> None:
    """A URL that no request can be sent to ends the command at once."""
    with pytest.raises(error, match=said):
        golden_command.golden(url, bundle, None, None)
