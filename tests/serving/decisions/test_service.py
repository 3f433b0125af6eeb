"""Answers from requests, on a small real bundle."""

from __future__ import annotations

import datetime as dt
import json
import math

import msgspec
import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features import catalogue
from customer_risk.model.features.columns import encode_columns
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.decisions.input_warnings import MOST_WARNINGS
from customer_risk.serving.decisions.request_parser import RequestParser


def _answer(service, request_):
    return service.answer(json.dumps(request_).encode())


def _features(answer):
    named = zip(answer.basis.names, answer.basis.values.tolist(), strict=True)
    return {name: None if math.isnan(value) else value for name, value in named}


def test_an_answer_equals_the_offline_score_to_the_bit(bundle, service, request_, now) -> None:
    """The probability equals what the scorer gives for the same customer among many rows of features."""
    loaded = load_bundle(bundle, verify_golden=False)
    read = RequestParser(known=catalogue.NAMES, wanted=()).read(json.dumps(request_).encode(), now=now)
    values = kernel.compute(encode_columns(read.person, read.history)[0])
    columns = [catalogue.NAMES.index(name) for name in loaded.manifest.features]
    rows = np.vstack([values[:, columns], np.zeros((6, len(columns)))])
    assert _answer(service, request_).decision.probability == loaded.scorer.score(rows).probability[0]


def test_the_same_features_give_the_same_decision(service, request_) -> None:
    """The features of an answer, sent as features, give the same decision, but no patterns."""
    first = _answer(service, request_)
    second = _answer(service, {"customer_id": "c-1", "features": _features(first)})
    assert first.decision.patterns == ()
    assert second.decision == msgspec.structs.replace(first.decision, patterns=None)


def test_a_caller_may_send_the_whole_catalogue(service, request_) -> None:
    """Features that the model doesn't use change nothing."""
    first = _answer(service, request_)
    needed, every = _features(first), dict.fromkeys(catalogue.NAMES) | _features(first)
    asked = (_answer(service, {"customer_id": "c-1", "features": each}) for each in (needed, every))
    assert len({msgspec.json.encode(answer.decision) for answer in asked}) == 1


def test_columns_and_rows_get_the_same_decision(service, request_, as_columns) -> None:
    """The form of the transactions makes no difference."""
    by_row = _answer(service, request_).decision
    request_["transactions"] = as_columns(request_["transactions"])
    assert _answer(service, request_).decision == by_row


def test_repeated_rows_count_once(service, request_) -> None:
    """A repeated row changes only the warnings."""
    once = _answer(service, request_)
    request_["transactions"] += request_["transactions"][:3]
    again = _answer(service, request_)
    assert again.decision == once.decision
    assert [each.code for each in again.warnings] == ["REPEATED_ROW"]


def test_future_transactions_are_scored_like_past_ones(service, request_) -> None:
    """Transactions ten years of whole weeks ahead get a warning and the score of the same ones in the past."""
    past = _answer(service, request_)
    for row in request_["transactions"]:
        for name in ("created_at", "completed_at"):
            if row[name] is not None:
                then = dt.datetime.fromisoformat(row[name].replace(" UTC", "Z")) + dt.timedelta(weeks=520)
                row[name] = then.isoformat()
    later = _answer(service, request_)
    assert later.decision == past.decision
    assert [each.code for each in later.warnings] == ["FUTURE_TIME"]


def test_an_unknown_category_gets_a_warning_with_its_pointer(service, request_) -> None:
    """Unknown categories of a profile and of a transaction get warnings."""
    request_["profile"]["occupation"] = "ASTRONAUT"
    request_["transactions"][2]["type"] = "BARTER"
    warned = [(each.code, each.pointer) for each in _answer(service, request_).warnings]
    assert warned == [("UNKNOWN_CATEGORY", "/profile/occupation"), ("UNKNOWN_CATEGORY", "/transactions/2/type")]


def test_a_warning_about_a_column_points_into_it(service, request_, as_columns) -> None:
    """Warnings point into columns if transactions were sent as columns."""
    request_["transactions"][2]["type"] = "BARTER"
    request_["transactions"] = as_columns(request_["transactions"])
    assert [each.pointer for each in _answer(service, request_).warnings] == ["/transactions/type/2"]


def test_the_number_of_warnings_is_bounded(service, request_) -> None:
    """The number of warnings is bounded, and the last one counts the others."""
    request_["transactions"] = [request_["transactions"][0] | {"id": f"t-{i}", "type": "BARTER"} for i in range(1000)]
    warnings = _answer(service, request_).warnings
    assert len(warnings) == MOST_WARNINGS + 1
    assert (warnings[-1].code, warnings[-1].detail[:4]) == ("MORE_WARNINGS", f"{1000 - MOST_WARNINGS} ")


def test_the_answer_names_its_model(bundle, service, request_) -> None:
    """Name and version are the manifest's and its hash."""
    model = _answer(service, request_).model
    assert (model.name, model.version) == ("customer-risk", load_bundle(bundle, verify_golden=False).version)


def test_a_time_before_the_first_year_is_refused(service, request_) -> None:
    """A time whose offset leads out of the calendar is refused."""
    request_["transactions"][1]["created_at"] = "0001-01-01T00:00:00+11:00"
    with pytest.raises(InputError) as caught:
        service.answer(json.dumps(request_).encode(), at="/requests/7")
    assert [each.pointer for each in caught.value.fields] == ["/requests/7/transactions/1/created_at"]


def test_a_customer_without_transactions_gets_an_answer(service, request_) -> None:
    """A customer without transactions is scored on the profile."""
    request_["transactions"] = []
    assert 0 < _answer(service, request_).decision.probability < 1


def test_two_decisions_never_share_an_id(service, request_) -> None:
    """The same request sent twice is two decisions."""
    body = msgspec.json.encode(request_)
    assert service.answer(body).decision_id != service.answer(body).decision_id


@pytest.mark.parametrize("tables", ["synthetic", "hometask"])
def test_every_customer_of_the_tables_scores_online_as_offline(request, bundle, service, tables) -> None:
    """Each unlabelled customer, sent as JSON, gets the probability of the batch, to the bit."""
    from customer_risk.model.features.frame import feature_table
    from customer_risk.model.tables.cleaning import load_cohort

    cohort = load_cohort(request.getfixturevalue(tables), "unlabelled")
    loaded = load_bundle(bundle, verify_golden=False)
    table = feature_table(cohort.customers, cohort.events, loaded.manifest.settings.for_kernel())
    batch = loaded.scorer.score(table.select(loaded.manifest.features).values).probability
    rows = cohort.events.partition_by("customer_id", as_dict=True)
    for i, profile in enumerate(cohort.customers.to_dicts()):
        customer = profile.pop("customer_id")
        events = rows[(customer,)].to_dicts() if (customer,) in rows else []
        body = msgspec.json.encode({"customer_id": customer, "profile": profile, "transactions": events})
        assert service.answer(body).decision.probability == batch[i]


def test_an_implausible_feature_is_flagged_and_scored(service) -> None:
    """An implausible value gets a warning; NaN, a missing value, doesn't."""
    name = service.names()[0]
    values = dict.fromkeys(service.names()) | {name: catalogue.BY_NAME[name].high + 1}
    answer = service.answer(json.dumps({"customer_id": "c", "features": values}).encode())
    assert [(each.code, each.pointer) for each in answer.warnings] == [("IMPLAUSIBLE_VALUE", f"/features/{name}")]
    assert answer.source == "model"


def test_readiness_waits_for_every_condition(service) -> None:
    """A condition that doesn't hold is named and makes the service not ready, but the service still answers."""
    held = {"keys": True, "record": True}
    service.require("keys", lambda: held["keys"])
    service.require("record", lambda: held["record"])
    assert (service.ready, service.unmet) == (True, ())
    held["record"] = False
    assert (service.answering, service.ready, service.unmet) == (True, False, ("record",))
    held["record"] = True
    assert service.ready
