"""A server's answers held to the golden ones."""

from __future__ import annotations

import json

import msgspec
import pytest

from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.client import Answer
from customer_risk.serving.contract.answer import render
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.golden_check import difference


@pytest.fixture(scope="module")
def rows(bundle):
    """The bundle's golden rows."""
    return load_bundle(bundle, verify_golden=False).golden


@pytest.fixture(scope="module")
def service(bundle) -> Service:
    """What a server asks."""
    service = Service("customer-risk")
    service.use(load_bundle(bundle))
    return service


@pytest.fixture(scope="module")
def answer(service, rows) -> Answer:
    """The first golden row's answer, as a caller without the scope `explain` gets it."""
    return _asked(service, rows[0])


def _asked(service: Service, row) -> Answer:
    answered = service.answer(json.dumps(row["request"]).encode())
    return msgspec.json.decode(msgspec.json.encode(render(answered, explain=False)), type=Answer)


def test_every_golden_request_is_answered_as_expected(service, rows) -> None:
    """The service's answers differ in nothing from those where the bundle was made."""
    assert [difference(row, _asked(service, row)) for row in rows] == [None] * len(rows)


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
    """What an answer says otherwise than the golden one is said, with both values."""
    found = difference(rows[0], msgspec.structs.replace(answer, **changed))
    assert found is not None
    assert found.startswith(said)


def test_a_last_bit_is_no_difference(rows, answer) -> None:
    """Processors of two families may round the last bit differently."""
    assert difference(rows[0], msgspec.structs.replace(answer, probability=answer.probability + 1e-12)) is None
