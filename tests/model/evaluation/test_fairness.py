"""Fairness by slice, against closed forms, published examples and brute force."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from customer_risk.model.evaluation.fairness import (
    POOLED,
    UNKNOWN,
    Fairness,
    Gap,
    Slice,
    age_band,
    fairness,
    groups,
    newcombe,
    wilson,
)

DAY = date(2024, 9, 30)


def compared(suspended: list[int], flagged: list[int], names: str, **settings: int) -> Fairness:
    """Return one attribute "side" whose slices are the letters of `names`."""
    chosen = np.array(flagged, dtype=bool)
    return fairness(
        "flagged",
        suspended=np.array(suspended, dtype=bool),
        flagged=chosen,
        probabilities=np.where(chosen, 0.8, 0.1),
        slices={"side": tuple(names)},
        **{"minimum": 1, "shuffles": 4000} | settings,
    )


def slice_of(found: Fairness, name: str) -> Slice:
    """Return the slice of that name."""
    return next(each for each in found.slices if each.name == name)


def gap_of(found: Fairness, measure: str) -> Gap:
    """Return the gap in that measure."""
    return next(each for each in found.gaps if each.measure == measure)


@given(st.integers(1, 300).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_equals_scipys(counts: tuple[int, int]):
    """A share's interval equals SciPy's by Wilson's method."""
    count, of = counts
    share = wilson(count, of, confidence=0.9)
    expected = binomtest(count, of).proportion_ci(confidence_level=0.9, method="wilson")
    assert (share.value, share.low, share.high) == pytest.approx((count / of, expected.low, expected.high), abs=1e-12)


def test_a_share_of_no_customers_has_a_reason():
    """A share of no customers has no value and no interval, but a reason."""
    share = wilson(0, 0, why="no suspended customer in this slice")
    assert (share.value, share.low, share.high) == (None, None, None)
    assert share.why == "no suspended customer in this slice"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090)), ((10, 10), (0, 10), (0.6075, 1.0))],
)
def test_newcombe_gives_the_published_intervals(first, second, expected):
    """Differences of shares have the intervals of Newcombe's own table (1998, method 10)."""
    assert newcombe(wilson(*first), wilson(*second)) == pytest.approx(expected, abs=5e-5)


def test_a_missing_share_cannot_be_subtracted():
    """A share that isn't computable can't be subtracted."""
    with pytest.raises(ValueError, match="is not defined"):
        newcombe(wilson(1, 2), wilson(0, 0))


def test_slices_count_each_rate_over_its_own_customers():
    """`caught` is a share of the suspended, `false_alarms` of the others, `precision` of the flagged."""
    found = slice_of(compared([1, 1, 1, 0, 0, 0, 0, 1], [1, 1, 0, 1, 0, 0, 0, 0], "aaaaaaab"), "a")
    assert (found.caught.count, found.caught.of) == (2, 3)
    assert (found.false_alarms.count, found.false_alarms.of) == (1, 4)
    assert (found.precision.count, found.precision.of) == (2, 3)
    assert (found.flagged.count, found.flagged.of) == (3, 7)
    assert (found.suspended.count, found.suspended.of) == (3, 7)
    assert found.mean_probability == pytest.approx((3 * 0.8 + 4 * 0.1) / 7)


def test_a_slice_without_positives_is_not_computable():
    """The true positive rate of a slice without suspended customers isn't computable, instead of zero."""
    caught = slice_of(compared([1, 1, 0, 0], [1, 0, 1, 0], "aabb"), "b").caught
    assert caught.value is None
    assert caught.why == "no suspended customer in this slice"


def test_a_slice_of_positives_only_has_no_false_positive_rate():
    """The false positive rate of a slice with suspended customers only isn't computable."""
    assert slice_of(compared([1, 1, 0, 0], [1, 0, 1, 0], "aabb"), "a").false_alarms.why is not None


def test_a_slice_without_flagged_customers_has_no_precision():
    """The precision of a slice without flagged customers isn't computable."""
    assert slice_of(compared([1, 1, 0, 0], [1, 0, 0, 0], "aabb"), "b").precision.value is None


def test_the_parity_gap_is_greatest_minus_least():
    """The parity gap names the slices most and least flagged, and their difference."""
    gap = gap_of(compared([0] * 9, [1, 1, 1, 1, 0, 0, 0, 0, 1], "aaabbbccc"), "parity")
    assert (gap.greatest, gap.least) == ("a", "b") or (gap.greatest, gap.least) == ("a", "c")
    assert gap.value == pytest.approx(2 / 3)


def test_equalized_odds_is_the_wider_of_its_two_gaps():
    """The equalized odds gap and its interval are those of the wider gap in true or false positive rate."""
    found = compared([1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 0, 1, 1], "aaaabbbb")
    assert gap_of(found, "true_positive").value == pytest.approx(0.5)
    assert gap_of(found, "false_positive").value == pytest.approx(1.0)
    odds, wider = gap_of(found, "equalized_odds"), gap_of(found, "false_positive")
    assert (odds.value, odds.low, odds.high) == (wider.value, wider.low, wider.high)


def test_small_slices_are_withheld():
    """A slice with fewer customers than the minimum has only its size, and isn't part of any gap."""
    found = compared([0] * 8, [0, 0, 0, 1, 1, 1, 1, 1], "aaabbbbc", minimum=2)
    small = slice_of(found, "c")
    assert small.customers == 1
    for share in (small.suspended, small.flagged, small.caught, small.false_alarms, small.precision):
        assert (share.count, share.of, share.value) == (0, 0, None)
        assert share.why.startswith("fewer than 2 customers")
    assert small.mean_probability is None
    assert gap_of(found, "parity").slices == 2


def test_slices_with_few_positives_are_not_compared():
    """A slice large enough, but with fewer suspended customers than the minimum, is shown and not compared."""
    found = compared([1, 0, 0, 1, 1, 0], [1, 0, 0, 1, 0, 0], "aaabbb", minimum=2)
    assert slice_of(found, "a").caught.value == 1.0
    assert gap_of(found, "true_positive").slices == 1


def test_a_gap_of_one_slice_has_a_reason():
    """If fewer than two slices have enough customers, the gap isn't computable, for that reason."""
    gap = gap_of(compared([1, 0, 0, 0], [1, 0, 1, 0], "aabb", minimum=2), "true_positive")
    assert gap.value is None
    assert gap.why == "fewer than two slices have 2 suspended customers"
    assert gap_of(compared([1, 0, 0, 0], [1, 0, 1, 0], "aabb", minimum=2), "equalized_odds").why == gap.why


def test_by_chance_agrees_with_shuffled_names():
    """The probability of a gap this large agrees with that of shuffling the slices' names among the customers."""
    random = np.random.default_rng(5)
    names = list("a" * 30 + "b" * 20 + "c" * 15)
    flagged = (random.random(65) < 0.3).astype(int)
    flagged[:4] = 1
    gap = gap_of(compared([0] * 65, flagged.tolist(), "".join(names)), "parity")
    at_least = 0
    for _ in range(4000):
        random.shuffle(names)
        members = np.array(names)
        rates = [flagged[members == name].mean() for name in "abc"]
        at_least += max(rates) - min(rates) >= gap.value - 1e-12
    assert gap.by_chance == pytest.approx(at_least / 4000, abs=0.04)


def test_by_chance_of_equalized_odds_agrees_with_shuffling_within_labels():
    """The probability of an equalized odds gap agrees with that of shuffling names within each label."""
    random = np.random.default_rng(6)
    names, risky = np.array(list("ab" * 40)), np.arange(80) < 30
    flagged = random.random(80) < np.where(risky, 0.6, 0.1)
    gap = gap_of(compared(risky.tolist(), flagged.tolist(), "".join(names)), "equalized_odds")
    at_least = 0
    for _ in range(4000):
        widest = 0.0
        for label in (True, False):
            members, taken = random.permutation(names[risky == label]), flagged[risky == label]
            widest = max(widest, abs(taken[members == "a"].mean() - taken[members == "b"].mean()))
        at_least += widest >= gap.value - 1e-12
    assert gap.by_chance == pytest.approx(at_least / 4000, abs=0.04)


def test_the_same_seed_gives_the_same_answer():
    """The same inputs and seed give the same comparison."""
    inputs = ([1, 0] * 20, [1, 1, 0, 0] * 10, "aabbc" * 8)
    assert compared(*inputs) == compared(*inputs)


@pytest.mark.parametrize(
    ("born", "band"),
    [
        (date(2006, 9, 30), "18 to 24"),
        (date(2006, 10, 1), "under 18"),
        (date(1999, 9, 30), "25 to 34"),
        (date(1974, 10, 1), "35 to 49"),
        (date(1974, 9, 30), "50 and over"),
        (date(1800, 1, 1), UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_age_bands_change_on_the_birthday(born: date | None, band: str):
    """A customer enters an age band on the birthday; impossible and missing dates of birth are "not stated"."""
    assert age_band(born, on=DAY) == band


def test_groups_read_gender_residence_and_age_from_the_tables():
    """The three attributes come from the customers' columns, in the order of the table."""
    customers = pl.DataFrame(
        {
            "gender": ["F", "M", None],
            "country_of_residence": ["FR", "PF", "FR"],
            "date_of_birth": [date(2000, 1, 1), date(1960, 1, 1), None],
        }
    )
    assert groups(customers, on=DAY, minimum=1) == {
        "gender": ("F", "M", UNKNOWN),
        "residence": ("FR", "PF", "FR"),
        "age band": ("18 to 24", "50 and over", UNKNOWN),
    }


def test_rare_values_are_pooled():
    """Values with too few customers share one slice, so that no slice identifies a person."""
    customers = pl.DataFrame({"country_of_residence": ["FR"] * 10 + ["GF", "GP", "RE"]})
    assert groups(customers, on=DAY, minimum=5)["residence"] == ("FR",) * 10 + (POOLED,) * 3


def test_absent_and_empty_columns_are_not_compared():
    """An attribute whose column is absent or empty isn't compared."""
    customers = pl.DataFrame({"gender": [None, None]}, schema={"gender": pl.String})
    assert groups(customers, on=DAY) == {}


def test_the_probability_by_chance_is_never_zero():
    """The probability of a gap larger than in every shuffle is 1 / (shuffles + 1), not zero."""
    gap = gap_of(compared([0] * 80, [1] * 40 + [0] * 40, "a" * 40 + "b" * 40, shuffles=99), "parity")
    assert gap.by_chance == pytest.approx(1 / 100)
