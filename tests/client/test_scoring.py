"""Both clients against the real scoring application, behind a real server."""

from __future__ import annotations

import json

import msgspec
import pytest

from customer_risk.serving.contract.request import RiskRequest
from customer_risk_client import Answer, RefusedError, RequestWarning


def test_a_mapping_is_scored(ask, url, request_, service) -> None:
    """The answer is typed, and equals the decision of the service."""
    answer = ask(url).score(request_)
    expected = service.answer(json.dumps(request_).encode())
    assert isinstance(answer, Answer)
    assert answer.customer_id == "c-1"
    assert answer.probability == expected.decision.probability
    assert answer.segment == expected.decision.segment
    assert answer.reasons[0].contribution == expected.decision.reasons[0].contribution
    assert answer.model.version == expected.model.version


def test_a_typed_request_is_scored(ask, url, request_) -> None:
    """A struct gets the same answer as the mapping with the same fields."""
    client = ask(url)
    typed = client.score(msgspec.convert(request_, RiskRequest))
    assert typed.probability == client.score(request_).probability


def test_a_refusal_names_every_bad_field(ask, url, request_) -> None:
    """A 422 is raised with its problem document, and the message names each bad field."""
    request_["customer_id"], request_["transactions"][0]["amount"] = "", -1
    with pytest.raises(RefusedError, match="/transactions/0/amount") as caught:
        ask(url).score(request_)
    assert caught.value.status == 422
    assert {each.pointer for each in caught.value.problem.errors} == {"/customer_id", "/transactions/0/amount"}


def test_a_batch_answers_and_refuses_each(ask, url, request_) -> None:
    """A batch returns an answer or a problem for each request, in order."""
    good, bad = ask(url).batch([request_, {"customer_id": "c-2"}])
    assert good.status == 200
    assert good.answer.customer_id == "c-1"
    assert bad.answer is None
    assert bad.problem.errors[0].pointer == "/requests/1"


def test_a_warning_is_typed(ask, url, request_) -> None:
    """A warning has its code, pointer and detail."""
    request_["profile"]["occupation"] = "ASTRONAUT"
    warning = ask(url).score(request_).warnings[0]
    assert isinstance(warning, RequestWarning)
    assert (warning.code, warning.pointer) == ("UNKNOWN_CATEGORY", "/profile/occupation")
