"""Rules as the fallback: when they answer, and their answers."""

from __future__ import annotations

import json

import msgspec
import pytest

from customer_risk.serving.contract.answer import render
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import NotReady


@pytest.fixture
def fallback() -> RuleFallback:
    """The rules of the package."""
    return RuleFallback(load_rules(), "customer-risk-rules")


@pytest.fixture
def served(bundle, fallback, now) -> Service:
    """A service with a bundle and rules."""
    from customer_risk.model.scoring.bundle import load_bundle

    service = Service("customer-risk", fallback=fallback, clock=lambda: now)
    service.use(load_bundle(bundle, verify_golden=False))
    return service


def _break(service) -> None:
    service._decider._scorer = None


def _ask(service, request_) -> dict:
    answer = service.answer(json.dumps(request_).encode())
    return json.loads(msgspec.json.encode(render(answer, explain=True)))


def test_a_fault_of_the_model_is_answered_by_rules(served, request_, fallback, caplog) -> None:
    """An answer by rules has no probability, the name and version of the rules, and a warning with the reason."""
    _break(served)
    answer = _ask(served, request_)
    assert (answer["source"], answer["probability"]) == ("rules", None)
    assert answer["model"] == {"name": "customer-risk-rules", "version": fallback.model.version}
    assert [each["code"] for each in answer["warnings"]] == ["RULES_ANSWERED"]
    assert "failed" in answer["warnings"][0]["detail"]
    assert "AttributeError" in caplog.text


def test_faults_are_logged_once_a_second(served, request_, caplog) -> None:
    """Repeated faults are logged at most once a second."""
    _break(served)
    for _ in range(5):
        _ask(served, request_)
    assert len(caplog.records) == 1


def test_forced_rules_answer_until_released(served, request_) -> None:
    """Rules answer while they are forced."""
    served.forced = True
    assert _ask(served, request_)["source"] == "rules"
    assert served.model().name == "customer-risk-rules"
    served.forced = False
    assert _ask(served, request_)["source"] == "model"


def test_rules_answer_without_a_bundle_only_if_allowed(fallback, request_) -> None:
    """By default a service without a bundle answers nothing."""
    assert not Service("x", fallback=fallback).ready
    with pytest.raises(NotReady):
        _ask(Service("x", fallback=fallback), request_)
    serving = Service("x", fallback=fallback, without_bundle=True)
    assert serving.ready
    assert "no model" in _ask(serving, request_)["warnings"][0]["detail"]


def test_no_feature_is_required_without_a_model(fallback) -> None:
    """Without a model, no feature is required."""
    serving = Service("x", fallback=fallback, without_bundle=True)
    answer = _ask(serving, {"customer_id": "c-1", "features": {"out_sum": 6000.0, "unfunded_out": 300.0}})
    assert (answer["segment"], answer["action"]) == ("medium", "review")
    assert [reason["code"] for reason in answer["reasons"]] == ["RULE_UNFUNDED", "RULE_MONEY_OUT"]


def test_the_models_features_are_judged_by_their_names(served) -> None:
    """Features given for the model, in its order, reach the rules by name."""
    values = dict.fromkeys(served.names(), 0.0) | {"out_sum": 6000.0}
    served.forced = True
    answer = _ask(served, {"customer_id": "c-1", "features": values})
    assert ("RULE_MONEY_OUT" in [reason["code"] for reason in answer["reasons"]]) == ("out_sum" in served.names())


def test_forcing_without_rules_changes_nothing(bundle, request_) -> None:
    """A service without rules answers with its model, even if rules are forced."""
    from customer_risk.model.scoring.bundle import load_bundle

    service = Service("customer-risk")
    service.use(load_bundle(bundle, verify_golden=False))
    service.forced = True
    assert _ask(service, request_)["source"] == "model"


def test_failing_rules_are_a_503(served, request_, monkeypatch) -> None:
    """If the rules fail too, the request gets 503."""
    _break(served)
    monkeypatch.setattr(served._fallback, "_rules", None)
    with pytest.raises(NotReady, match="Neither"):
        _ask(served, request_)


def test_answers_by_rules_have_input_warnings(served, request_) -> None:
    """Answers by rules have the same warnings about input."""
    served.forced = True
    request_["profile"]["occupation"] = "ASTRONAUT"
    assert [each["code"] for each in _ask(served, request_)["warnings"]] == ["RULES_ANSWERED", "UNKNOWN_CATEGORY"]
