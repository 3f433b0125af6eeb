"""The client against the real scoring app, behind a real server."""

from __future__ import annotations

import json

import msgspec
import pytest

from customer_risk.serving.bulk.jobs.types import JobView
from customer_risk.serving.client import Answer, Item, Job, Model, Pattern, Reason, RefusedError, Warned
from customer_risk.serving.contract.answer import ModelName, WireAnswer, WirePattern, WireReason
from customer_risk.serving.contract.batch import BatchItem
from customer_risk.serving.contract.request import RiskRequest
from customer_risk.serving.openapi import examples


def test_a_mapping_is_scored(ask, url, request_, service) -> None:
    """The answer is typed, and it is the service's own."""
    answer = ask(url).score(request_)
    expected = service.answer(json.dumps(request_).encode())
    assert isinstance(answer, Answer)
    assert answer.customer_id == "c-1"
    assert answer.probability == expected.decision.probability
    assert answer.segment == expected.decision.segment
    assert answer.reasons[0].contribution == expected.decision.reasons[0].contribution
    assert answer.model.version == expected.model.version


def test_a_typed_request_is_scored(ask, url, request_) -> None:
    """A RiskRequest goes over the wire as its mapping does."""
    client = ask(url)
    typed = client.score(msgspec.convert(request_, RiskRequest))
    assert typed.probability == client.score(request_).probability


def test_a_refusal_names_every_bad_field(ask, url, request_) -> None:
    """A 422 is raised with its problem document, and the message says which fields."""
    request_["customer_id"], request_["transactions"][0]["amount"] = "", -1
    with pytest.raises(RefusedError, match="/transactions/0/amount") as caught:
        ask(url).score(request_)
    assert caught.value.status == 422
    assert {each.pointer for each in caught.value.problem.errors} == {"/customer_id", "/transactions/0/amount"}


def test_a_batch_answers_and_refuses_each(ask, url, request_) -> None:
    """Outcomes come in order, an answer or a problem each."""
    good, bad = ask(url).batch([request_, {"customer_id": "c-2"}])
    assert good.status == 200
    assert good.answer.customer_id == "c-1"
    assert bad.answer is None
    assert bad.problem.errors[0].pointer == "/requests/1"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Answer, WireAnswer),
        (Reason, WireReason),
        (Pattern, WirePattern),
        (Model, ModelName),
        (Item, BatchItem),
        (Job, JobView),
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_types_have_the_fields_of_the_wire(ours, theirs) -> None:
    """A field that the server gains is missed here."""
    assert ours.__struct_fields__ == theirs.__struct_fields__


@pytest.mark.parametrize("name", ["score", "explain", "rules"])
def test_answers_with_and_without_patterns_are_read(name) -> None:
    """A field of a pattern is None without the scope `explain`, and the patterns of an answer by rules are None."""
    shown = examples.ANSWERS[name]
    answer = msgspec.json.decode(json.dumps(shown), type=Answer)
    if shown["patterns"] is None:
        assert answer.patterns is None
    else:
        assert answer.patterns == (msgspec.convert(shown["patterns"][0], Pattern),)
        assert answer.patterns[0].count == shown["patterns"][0].get("count")


def test_the_answer_of_an_older_server_is_read() -> None:
    """An answer without patterns has None for them."""
    shown = {name: value for name, value in examples.ANSWER.items() if name != "patterns"}
    assert msgspec.json.decode(json.dumps(shown), type=Answer).patterns is None


def test_fields_of_a_newer_server_are_ignored() -> None:
    """A pattern may have a member that this client doesn't know."""
    shown = examples.ANSWER | {"patterns": [{"code": "PASS_THROUGH", "new": 1}]}
    assert msgspec.json.decode(json.dumps(shown), type=Answer).patterns == (Pattern(code="PASS_THROUGH"),)


def test_warnings_have_the_fields_of_the_wire(ask, url, request_) -> None:
    """A warning arrives with its code, pointer and detail."""
    request_["profile"]["occupation"] = "ASTRONAUT"
    warning = ask(url).score(request_).warnings[0]
    assert isinstance(warning, Warned)
    assert (warning.code, warning.pointer) == ("UNKNOWN_CATEGORY", "/profile/occupation")
