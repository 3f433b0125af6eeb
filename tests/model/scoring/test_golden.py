"""Golden rows."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime

import msgspec
import pytest

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.scoring import golden
from customer_risk.model.scoring.golden import check_golden, golden_request, loads_golden

FAMILY = "the same family"


def _answer(request: dict) -> dict:
    """Answer as a model that counts transactions might."""
    count = len(request["transactions"])
    reason = {"code": "MANY", "contribution": count / 10, "investigator_text": f"{count} transactions"}
    return {
        "probability": count / 10,
        "segment": "low",
        "action": "none",
        "reasons": [reason, {"code": "OTHER_ONE", "contribution": 0.5, "investigator_text": "-"}],
        "patterns": [],
        "features": {"in_sum": float(count)},
    }


@pytest.fixture
def rows() -> list:
    """Golden rows as the file holds them."""
    requests = [golden_request(count, {"kyc_state": None}, [{"id": "t"}] * count) for count in range(3)]
    return loads_golden(msgspec.json.encode([{"request": each, "answer": _answer(each)} for each in requests]))


@pytest.fixture(autouse=True)
def family(monkeypatch) -> None:
    """Replace the name of the machine's CPU family, so that the tests pass on every machine."""
    monkeypatch.setattr(golden, "cpu_family", lambda: FAMILY)


def test_a_golden_request_has_rfc3339_times_and_iso_dates():
    """Times have microseconds and a zone, and dates their ISO form."""
    moment = datetime(2024, 8, 26, 10, 33, 50, 629801, tzinfo=UTC)
    rows = [{"created_at": moment, "completed_at": None}, {"created_at": 1724668430000000}]
    assert golden_request(7, {"date_of_birth": date(1990, 1, 1)}, rows) == {
        "customer_id": "golden-7",
        "profile": {"date_of_birth": "1990-01-01"},
        "transactions": [
            {"created_at": "2024-08-26T10:33:50.629801Z", "completed_at": None},
            {"created_at": "2024-08-26T10:33:50.000000Z"},
        ],
        "history_complete": True,
    }


def test_rows_of_version_1_become_requests():
    """A profile and transactions with times in microseconds become the body of a request; there are no patterns."""
    transaction = {"id": "t", "created_at": 1724668430629801, "completed_at": None}
    answer = {"probability": 0.25, "warnings": [{"code": "UNKNOWN_CATEGORY"}]}
    row = {"profile": {"kyc_state": None}, "transactions": [transaction], "answer": answer}
    (read,) = loads_golden(msgspec.json.encode([row]))
    assert read["request"] == golden_request(0, {"kyc_state": None}, [transaction])
    assert read["answer"] == {"patterns": None, "probability": 0.25}


def test_answers_without_patterns_are_read_as_none():
    """An answer of version 2, which has no patterns, is read as one where no pattern can be seen."""
    row = {"request": {"customer_id": "golden-0"}, "answer": {"probability": 0.25}}
    (read,) = loads_golden(msgspec.json.encode([row]))
    assert read["answer"] == {"patterns": None, "probability": 0.25}


def _change(rows: list, *path, by) -> list:
    changed = deepcopy(rows)
    place = changed[1]["answer"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = by(place[path[-1]])
    return changed


DIFFERENCES = [
    (("segment",), lambda _: "other"),
    (("action",), lambda _: "other"),
    (("probability",), lambda p: p + 1e-7),
    (("reasons",), lambda reasons: reasons[::-1]),
    (("reasons",), lambda reasons: reasons[:-1]),
    (("reasons", 0, "code"), lambda _: "OTHER"),
    (("reasons", 0, "contribution"), lambda c: -c),
    (("features", "in_sum"), lambda _: None),
    (("features",), lambda values: values | {"more": 1.0}),
]


@pytest.mark.parametrize("made_on", [None, "another family"])
@pytest.mark.parametrize(("path", "by"), DIFFERENCES)
def test_another_answer_is_a_mismatch_on_any_family(rows, path, by, made_on):
    """A difference in an answer is a mismatch on any CPU family, and the place is named."""
    with pytest.raises(GoldenMismatch, match=rf"golden\.json: row 1, .*answer\.{path[0]}"):
        check_golden(_answer, _change(rows, *path, by=by), made_on=made_on or FAMILY, where="golden.json")


@pytest.mark.parametrize(
    ("path", "by"),
    [
        (("probability",), lambda p: p + 1e-12),
        (("reasons", 0, "contribution"), lambda c: c * (1 + 1e-12)),
        (("reasons", 0, "investigator_text"), lambda text: text + "!"),
    ],
)
def test_last_bits_may_differ_on_another_family_only(rows, path, by):
    """On another CPU family, last bits may differ, and so may texts with rounded numbers."""
    changed = _change(rows, *path, by=by)
    check_golden(_answer, changed, made_on="another family", where="golden.json")
    with pytest.raises(GoldenMismatch):
        check_golden(_answer, changed, made_on=FAMILY, where="golden.json")


def test_a_bundle_without_golden_rows_is_a_mismatch():
    """A bundle without golden rows is a mismatch."""
    with pytest.raises(GoldenMismatch, match="no golden row to compare"):
        check_golden(_answer, [], made_on=FAMILY, where="golden.json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'[{"profile": {}}]',
        b'[{"profile": 3, "transactions": [], "answer": {}}]',
        b'[{"request": [], "answer": {}}]',
    ],
)
def test_other_content_than_golden_rows_is_refused(data):
    """The error names the file."""
    with pytest.raises(BundleError, match=r"golden\.json has no readable golden rows"):
        loads_golden(data)
