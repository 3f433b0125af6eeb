"""The answers that the load test accepts."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest

from loadtest.answers import Checker
from loadtest.payloads import SEVERAL, SINGLE, Payload

NOTHING = msgspec.Raw(b"{}")
FEATURES = Payload("features", SINGLE, ("c-1",), (200,), NOTHING)
ONE = Payload("rows", SINGLE, ("c-1",), (200,), NOTHING)
FAULTY = Payload("faulty", SINGLE, ("c-1",), (422,), NOTHING)
BATCH = Payload("batch", SEVERAL, ("c-1", "c-2"), (200, 422), NOTHING)
PROBLEM = {"status": 422, "errors": [{"pointer": "/transactions/0/amount", "detail": "at least 0"}]}


def reason(contribution: float, direction: str = "raises") -> dict:
    """A reason as a caller with the scope `explain` gets it."""
    return {"code": "VELOCITY", "text": "How often.", "direction": direction, "contribution": contribution}


def answer(**changed: object) -> dict:
    """A valid answer with changes."""
    identity = uuid.uuid4().hex
    sound = {
        "decision_id": f"{identity[:8]}-{identity[8:12]}-7{identity[13:16]}-8{identity[17:20]}-{identity[20:]}",
        "customer_id": "c-1",
        "probability": 0.8,
        "segment": "high",
        "action": "propose_off_boarding",
        "reasons": [reason(0.5), reason(0.3), reason(-0.9, "lowers")],
        "patterns": [{"code": "PASS_THROUGH", "count": 2}],
        "source": "model",
        "model": {"name": "customer-risk", "version": "1"},
    }
    return sound | changed


def wrong(document: object, payload: Payload = ONE) -> str:
    """Return what is wrong with a response."""
    return Checker().check(0, payload, json.dumps(document).encode()).wrong


def test_a_valid_answer_is_accepted():
    """A valid answer is accepted, and its decision is counted."""
    sound = answer()
    assert Checker().check(0, ONE, json.dumps(sound).encode()) == ((sound["decision_id"],), "")


def test_an_answer_without_explanations_is_accepted():
    """A caller without the scope `explain` gets no contributions; directions are ordered nevertheless."""
    plain = [{"code": "A", "text": "a", "direction": way} for way in ("raises", "raises", "lowers")]
    assert wrong(answer(reasons=plain)) == ""
    assert wrong(answer(reasons=plain[::-1])) == "the reasons are out of order"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"decision_id": str(uuid.UUID(int=7, version=4))}, "not a UUID of version 7"),
        ({"customer_id": "c-2"}, "the answer is about 'c-2'"),
        ({"source": "rules", "probability": None}, "rules answered"),
        ({"probability": None}, "not a probability"),
        ({"probability": 1.01}, "not a probability"),
        ({"probability": -0.01}, "not a probability"),
        ({"action": "none"}, "action none in segment high"),
        ({"action": "review"}, "action review in segment high with 1 patterns"),
        ({"patterns": []}, "action propose_off_boarding in segment high with 0 patterns"),
        ({"segment": "medium"}, "action propose_off_boarding in segment medium"),
        ({"segment": "low", "action": "review", "reasons": [reason(0.5)]}, "action review in segment low"),
        ({"patterns": [{"code": ""}]}, "length >= 1"),
        ({"patterns": [{"code": "PASS_THROUGH", "count": 0}]}, ">= 1"),
        ({"segment": "huge"}, "Invalid enum value 'huge'"),
        ({"reasons": []}, "no reasons"),
        ({"reasons": [reason(0.1)] * 6}, "length <= 5"),
        ({"reasons": [reason(0.3), reason(0.5)]}, "out of order"),
        ({"reasons": [reason(-0.9, "lowers"), reason(0.5)]}, "out of order"),
        ({"reasons": [reason(0.5) | {"code": ""}]}, "length >= 1"),
        ({"model": {}}, "missing required field `version`"),
    ],
)
def test_a_wrong_answer_is_reported(changed, said):
    """A faulty answer is reported for each condition on answers."""
    assert said in wrong(answer(**changed))


@pytest.mark.parametrize(
    ("found", "minimum", "action"),
    [(0, 1, "review"), (1, 1, "propose_off_boarding"), (1, 2, "review"), (2, 2, "propose_off_boarding")],
)
def test_a_high_customer_with_the_minimum_of_patterns_is_proposed(found, minimum, action):
    """A high customer with at least the minimum of patterns is proposed, and reviewed otherwise."""
    body = json.dumps(answer(action=action, patterns=[{"code": "NIGHT_BURST"}] * found)).encode()
    assert Checker(minimum).check(0, ONE, body).wrong == ""


@pytest.mark.parametrize(("patterns", "action"), [([], "review"), (None, "propose_off_boarding")])
def test_features_get_the_action_of_the_bundles_rule(patterns, action):
    """Features show no patterns: review by a bundle with an action rule, by the segment with an older bundle."""
    checker = Checker()

    def ask(payload: Payload, **changed: object) -> str:
        return checker.check(0, payload, json.dumps(answer(**changed)).encode()).wrong

    for either in ("review", "propose_off_boarding"):  # the model is unknown until it answered about transactions
        assert ask(FEATURES, patterns=None, action=either) == ""
    assert ask(ONE, patterns=patterns, action=action) == ""
    assert ask(FEATURES, patterns=None, action=action) == ""
    other = {"review": "propose_off_boarding", "propose_off_boarding": "review"}[action]
    assert "with patterns null" in ask(FEATURES, patterns=None, action=other)


def test_patterns_in_an_answer_about_features_are_reported():
    """Features show no patterns."""
    assert "1 patterns, although only features were given" in wrong(answer(), FEATURES)


def test_patterns_are_in_all_answers_or_in_none():
    """One model gives patterns in all answers about transactions, or in none of them."""
    checker = Checker()
    assert checker.check(0, ONE, json.dumps(answer()).encode()).wrong == ""
    assert (
        "patterns null, unlike in other answers"
        in checker.check(0, ONE, json.dumps(answer(patterns=None)).encode()).wrong
    )


def test_in_low_a_lowering_reason_may_be_first():
    """In the segment low a reason that lowers the risk may be first."""
    low = {"segment": "low", "action": "none", "probability": 0.1}
    assert wrong(answer(**low, reasons=[reason(-0.9, "lowers"), reason(0.5)])) == ""


def test_the_text_of_a_later_reason_may_be_empty():
    """The text of a later reason may be empty; that of the first may not."""
    first, later = reason(0.9), reason(0.5)
    assert wrong(answer(reasons=[first, later | {"text": ""}])) == ""
    assert "no text for the customer" in wrong(answer(reasons=[first | {"text": ""}, later]))


def test_a_repeated_decision_id_is_reported():
    """A decision_id that an earlier answer had is an error."""
    checker, body = Checker(), json.dumps(answer()).encode()
    checker.check(0, ONE, body)
    assert "returned twice" in checker.check(0, ONE, body).wrong


def test_another_probability_for_the_same_request_is_reported():
    """The same request to the same model has one probability; another model may have its own."""
    checker = Checker()

    def ask(**changed: object) -> str:
        return checker.check(0, ONE, json.dumps(answer(**changed)).encode()).wrong

    assert ask(probability=0.8) == ask(probability=0.7, model={"version": "2"}) == ""
    assert "had probability 0.8, now 0.7" in ask(probability=0.7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"\xff"'])
def test_a_body_other_than_an_answer_is_reported(body):
    """A body that isn't an answer is reported as wrong."""
    assert Checker().check(0, ONE, body).wrong


def test_a_refusal_names_the_faulty_field():
    """A faulty request must get a problem with errors."""
    assert wrong(PROBLEM, FAULTY) == ""
    assert wrong(PROBLEM | {"errors": []}, FAULTY)
    assert "status 500 instead of 422" in wrong(PROBLEM | {"status": 500}, FAULTY)


def test_batches_are_checked_item_by_item():
    """Each item has its own status, customer and decision."""
    answered = {"status": 200, "answer": answer()}
    refused = {"status": 422, "problem": PROBLEM}
    assert wrong({"items": [answered, refused]}, BATCH) == ""
    assert "1 items for 2 requests" in wrong({"items": [answered]}, BATCH)
    assert "item 0 has status 422" in wrong({"items": [refused, answered]}, BATCH)
    assert "item 0 lacks an answer" in wrong({"items": [{"status": 200}, refused]}, BATCH)
    assert "item 1 lacks a problem" in wrong({"items": [answered, {"status": 422}]}, BATCH)
    assert "or has an answer too" in wrong({"items": [answered, refused | {"answer": answer()}]}, BATCH)
    assert "is about 'c-9'" in wrong({"items": [{"status": 200, "answer": answer(customer_id="c-9")}, refused]}, BATCH)
