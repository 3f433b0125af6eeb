"""Golden rows."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.golden import check_golden, cpu_family, golden_rows, loads_golden
from customer_risk.model.scoring.scorer import Scorer
from customer_risk.model.scoring.segments import Thresholds


@pytest.fixture
def scorer(grow, features) -> Scorer:
    """A scorer that counts transactions."""
    trees = grow(np.random.default_rng(6), trees=8, depth=4, features=3)

    def measure(_, transactions):
        return np.array([float(len(transactions)), 0.5, np.nan]), ()

    return Scorer(Explainer(trees), Calibration(), Thresholds(0.2, 0.5), features, measure)


@pytest.fixture
def rows(scorer) -> list:
    """Golden rows as the file holds them."""
    requests = [({"kyc_state": None}, [{"id": "t"}] * count) for count in range(3)]
    return loads_golden(msgspec.json.encode(golden_rows(scorer, requests)))


def test_golden_rows_are_answered_again_alike(scorer, rows):
    """Where they were made, to the last bit."""
    check_golden(scorer, rows, made_on=cpu_family(), where="golden.json")


def test_times_and_dates_survive_the_file(scorer):
    """A time becomes microseconds since 1970, a date its ISO form, as requests may carry them."""
    moment = datetime(2024, 8, 26, 10, 33, 50, 629801, tzinfo=UTC)
    request = ({"date_of_birth": date(1990, 1, 1)}, [{"created_at": moment, "completed_at": None}])
    (row,) = golden_rows(scorer, [request])
    assert row["profile"] == {"date_of_birth": "1990-01-01"}
    assert row["transactions"] == [{"created_at": 1724668430629801, "completed_at": None}]


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
def test_another_answer_is_a_mismatch_on_any_family(scorer, rows, path, by, made_on):
    """Segment, action, order of reasons, numbers and the set of features are held everywhere; the place is named."""
    with pytest.raises(GoldenMismatch, match=rf"golden\.json: row 1, .*answer\.{path[0]}"):
        check_golden(scorer, _change(rows, *path, by=by), made_on=made_on or cpu_family(), where="golden.json")


@pytest.mark.parametrize(
    ("path", "by"),
    [
        (("probability",), lambda p: p + 1e-12),
        (("reasons", 0, "contribution"), lambda c: c * (1 + 1e-12)),
        (("reasons", 0, "investigator_text"), lambda text: text + "!"),
    ],
)
def test_last_bits_may_differ_on_another_family_only(scorer, rows, path, by):
    """And the wording with them, since it holds rounded numbers."""
    changed = _change(rows, *path, by=by)
    check_golden(scorer, changed, made_on="another family", where="golden.json")
    with pytest.raises(GoldenMismatch):
        check_golden(scorer, changed, made_on=cpu_family(), where="golden.json")


def test_no_golden_row_is_a_mismatch(scorer):
    """An empty list would verify anything."""
    with pytest.raises(GoldenMismatch, match="no row to compare"):
        check_golden(scorer, [], made_on=cpu_family(), where="golden.json")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'[{"profile": {}}]', b'[{"profile": 3, "transactions": [], "answer": {}}]']
)
def test_something_else_is_no_golden_rows(data):
    """The file is named."""
    with pytest.raises(BundleError, match=r"golden\.json holds no golden rows"):
        loads_golden(data)
