"""What the load test accepts as an answer."""

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
    """A sound answer, but for what is changed."""
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
    """What is wrong with a response."""
    return Checker().check(0, payload, json.dumps(document).encode()).wrong


def test_a_sound_answer_passes():
    """It is accepted, and its decision counted."""
    sound = answer()
    assert Checker().check(0, ONE, json.dumps(sound).encode()) == ((sound["decision_id"],), "")


def test_an_answer_without_explanations_passes():
    """A caller without the scope `explain` gets no contributions; directions are ordered all the same."""
    plain = [{"code": "A", "text": "a", "direction": way} for way in ("raises", "raises", "lowers")]
    assert wrong(answer(reasons=plain)) == ""
    assert wrong(answer(reasons=plain[::-1])) == "the reasons are out of order"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"decision_id": str(uuid.UUID(int=7, version=4))}, "no UUID of version 7"),
        ({"customer_id": "c-2"}, "the answer is about 'c-2'"),
        ({"source": "rules", "probability": None}, "rules answered"),
        ({"probability": None}, "no probability"),
        ({"probability": 1.01}, "no probability"),
        ({"probability": -0.01}, "no probability"),
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
def test_a_wrong_answer_is_refused(changed, said):
    """Each thing that an answer promises is looked at."""
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

    for either in ("review", "propose_off_boarding"):  # no answer about transactions says yet which one it is
        assert ask(FEATURES, patterns=None, action=either) == ""
    assert ask(ONE, patterns=patterns, action=action) == ""
    assert ask(FEATURES, patterns=None, action=action) == ""
    other = {"review": "propose_off_boarding", "propose_off_boarding": "review"}[action]
    assert "with patterns null" in ask(FEATURES, patterns=None, action=other)


def test_patterns_of_features_are_refused():
    """Features show no patterns."""
    assert "1 patterns, although only features were given" in wrong(answer(), FEATURES)


def test_patterns_are_told_always_or_never():
    """One model gives patterns in all answers about transactions, or in none of them."""
    checker = Checker()
    assert checker.check(0, ONE, json.dumps(answer()).encode()).wrong == ""
    assert (
        "patterns null, unlike in other answers"
        in checker.check(0, ONE, json.dumps(answer(patterns=None)).encode()).wrong
    )


def test_low_risk_orders_by_strength_alone():
    """In the segment low a reason that lowers the risk may stand first."""
    low = {"segment": "low", "action": "none", "probability": 0.1}
    assert wrong(answer(**low, reasons=[reason(-0.9, "lowers"), reason(0.5)])) == ""


def test_a_reason_may_repeat_a_text_without_saying_it_again():
    """The text of a later reason may be empty; that of the first may not."""
    first, later = reason(0.9), reason(0.5)
    assert wrong(answer(reasons=[first, later | {"text": ""}])) == ""
    assert "no text for the customer" in wrong(answer(reasons=[first | {"text": ""}, later]))


def test_a_decision_given_twice_is_refused():
    """Two answers with one decision_id are one too few."""
    checker, body = Checker(), json.dumps(answer()).encode()
    checker.check(0, ONE, body)
    assert "given twice" in checker.check(0, ONE, body).wrong


def test_another_probability_for_the_same_request_is_refused():
    """The same request to the same model has one probability; another model may have its own."""
    checker = Checker()

    def ask(**changed: object) -> str:
        return checker.check(0, ONE, json.dumps(answer(**changed)).encode()).wrong

    assert ask(probability=0.8) == ask(probability=0.7, model={"version": "2"}) == ""
    assert "had probability 0.8, now 0.7" in ask(probability=0.7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"\xff"'])
def test_no_answer_at_all_is_refused(body):
    """A body that isn't an answer is wrong, not a crash."""
    assert Checker().check(0, ONE, body).wrong


def test_a_refusal_names_what_is_faulty():
    """A faulty request must get a problem with errors."""
    assert wrong(PROBLEM, FAULTY) == ""
    assert wrong(PROBLEM | {"errors": []}, FAULTY)
    assert "status 500 in place of 422" in wrong(PROBLEM | {"status": 500}, FAULTY)


def test_batches_are_checked_item_by_item():
    """Each item has its own status, customer and decision."""
    answered = {"status": 200, "answer": answer()}
    refused = {"status": 422, "problem": PROBLEM}
    assert wrong({"items": [answered, refused]}, BATCH) == ""
    assert "1 items for 2 requests" in wrong({"items": [answered]}, BATCH)
    assert "item 0 has status 422" in wrong({"items": [refused, answered]}, BATCH)
    assert "item 0 holds no answer" in wrong({"items": [{"status": 200}, refused]}, BATCH)
    assert "item 1 holds no problem" in wrong({"items": [answered, {"status": 422}]}, BATCH)
    assert "problem alone" in wrong({"items": [answered, refused | {"answer": answer()}]}, BATCH)
    assert "is about 'c-9'" in wrong({"items": [{"status": 200, "answer": answer(customer_id="c-9")}, refused]}, BATCH)
