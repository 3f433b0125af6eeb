"""Golden requests are written and answered without serving."""

from __future__ import annotations

import math

import msgspec
import pytest

from customer_risk.model.errors import BundleError
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.golden import golden_request
from customer_risk.model.scoring.golden_answers import AGAIN, encode_request, golden_answerer, golden_rows
from tests.model.features.encoding import encode_customer

MONDAY = 1_722_816_000_000_000  # microseconds since 1970
PROFILE = {"occupation": "STUDENTS", "date_of_birth": "1990-01-31", "country_of_residence": "FR"}


def _row(minutes, amount) -> dict:
    fields = {"id": f"t-{minutes}", "state": "COMPLETED", "type": "CARDS", "direction": "OUT", "currency": "EUR"}
    return fields | {"amount": amount, "created_at": MONDAY + round(minutes * 60_000_000), "completed_at": None}


@pytest.fixture(scope="module")
def loaded(bundle):
    """The small real bundle."""
    return load_bundle(bundle, verify_golden=False)


@pytest.fixture
def write(loaded):
    """Write golden rows about customers with the given numbers of transactions."""

    def written(*counts):
        customers = [(PROFILE, [_row(minutes, 7.5 + minutes) for minutes in range(count)]) for count in counts]
        return golden_rows(loaded.scorer, loaded.manifest.settings, customers)

    return written


def test_a_golden_answer_is_the_scorers_for_the_kernels_features(loaded, write):
    """Probability, segment, action, reasons and features are those of the customer's values, and so are patterns."""
    row = write(4)[0]
    answer = row["answer"]
    values = loaded.model_features().compute(encode_request(row["request"]))
    verdict = loaded.scorer.judge(values, loaded.finder().find_one(encode_request(row["request"])))
    assert answer["probability"] == verdict.probability
    assert (answer["segment"], answer["action"]) == (verdict.segment, verdict.action)
    assert answer["patterns"] == msgspec.json.decode(msgspec.json.encode(verdict.patterns))
    assert answer["reasons"] == msgspec.json.decode(msgspec.json.encode(verdict.reasons))
    assert answer["features"] == {
        name: None if math.isnan(value) else value
        for name, value in zip(loaded.manifest.features, values.tolist(), strict=True)
    }


def test_a_golden_request_encodes_to_the_same_features():
    """A customer encoded through a request has the same times and features as encoded directly."""
    rows = [_row(minutes + 0.123457, 7.5) for minutes in range(5)]
    encoded = encode_request(golden_request(0, {"occupation": "STUDENTS"}, rows))
    direct = encode_customer({"occupation": "STUDENTS"}, rows)
    assert encoded.created.tolist() == direct.created.tolist()
    assert kernel.compute(encoded).tobytes() == kernel.compute(direct).tobytes()


def test_the_first_customers_have_requests_in_every_form(loaded, write):
    """A customer becomes a request with rows, one with columns if there are transactions, and one with features."""
    rows = write(3, 0, 2, 5)
    of_first = [each for each in rows if each["request"]["customer_id"] == "golden-0"]
    assert [type(each["request"].get("transactions")).__name__ for each in of_first] == ["list", "dict", "NoneType"]
    answer = of_first[0]["answer"]
    action = loaded.scorer.action(answer["segment"], None)
    assert answer["patterns"] is not None
    assert [each["answer"] for each in of_first] == [answer, answer, answer | {"action": action, "patterns": None}]
    assert sum("features" in each["request"] for each in rows) == AGAIN
    assert len(rows) == 4 + 2 + AGAIN


def test_every_form_of_a_request_has_the_same_answer(loaded, write):
    """The other forms of a request are answered as expected."""
    answer = golden_answerer(loaded.scorer, loaded.manifest.settings)
    for each in write(3, 0, 2):
        assert answer(each["request"]) == each["answer"]


@pytest.mark.parametrize("change", [{"profile": None}, {"transactions": [{}]}, {"features": {}}])
def test_a_document_other_than_a_request_is_refused(loaded, write, change):
    """A document that isn't a request raises BundleError."""
    answer = golden_answerer(loaded.scorer, loaded.manifest.settings)
    with pytest.raises(BundleError, match="the request golden-0 can't be read"):
        answer(write(1)[0]["request"] | change)
