"""Features of a few rows, computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

bounded = settings(settings.get_profile("features"))

HOURS = 60  # minutes
DAYS = 24 * HOURS


def test_money_that_leaves_within_the_day_passes_through(row: Any, features_of: Any) -> None:
    """Of 1,000 that came in, 600 leave after an hour, 300 after ten, and 50 after two days."""
    rows = [
        row(0, 1_000, type="BANK_TRANSFER", direction="IN"),
        row(1 * HOURS, 600, type="CRYPTO_ON_RAMP"),
        row(10 * HOURS, 300, type="BANK_TRANSFER"),
        row(48 * HOURS, 50),
    ]
    values = features_of(rows)
    assert (values["pass_1h"], values["pass_24h"], values["pass_72h"]) == (600, 900, 950)
    assert values["pass_24h_share"] == pytest.approx(0.9)
    assert values["dwell_median_hours"] == 1
    assert (values["sweep_count"], values["sweep_share"], values["sweep_max"]) == (1, 1, 950)
    assert values["onramp_fed_by_transfers"] == 600
    assert values["left_sum"] == 50


def test_earliest_money_leaves_first(row: Any, features_of: Any) -> None:
    """A move out is matched with the oldest money that is there, never with later money."""
    rows = [
        row(0, 100, direction="IN"),
        row(2 * HOURS, 100, direction="IN"),
        row(3 * HOURS, 150),
        row(3.5 * HOURS, 80),
        row(4 * HOURS, 500, direction="IN"),
    ]
    values = features_of(rows)
    assert values["pass_72h"] == 200
    assert values["pass_1h"] == 50
    assert values["unfunded_out"] == 30


def test_failed_and_successful_top_ups_are_counted_separately(row: Any, features_of: Any) -> None:
    """Failed top-ups and successful ones are counted separately."""
    tries = [row(i, 200, type="CARD_TOP_UP", direction="IN", state="FAILED") for i in range(3)]
    values = features_of(tries)
    assert (values["topup_failed_count"], values["topup_failed_sum"], values["topup_never_succeeded"]) == (3, 600, 1)
    values = features_of([*tries, row(9, 50, type="CARD_TOP_UP", direction="IN")])
    assert (values["topup_failed_share"], values["topup_never_succeeded"], values["topup_in_share"]) == (0.75, 0, 1)


def test_windows_end_with_the_last_activity(row: Any, features_of: Any) -> None:
    """Counts of the last hour, day, week and month are those before the customer's own last transaction."""
    rows = [row(minutes) for minutes in (0, 5 * DAYS, 29 * DAYS, 34 * DAYS, 34 * DAYS + 59)]
    values = features_of(rows)
    counts = [values[f"last_{window}_count"] for window in ("1h", "24h", "7d", "30d")]
    assert counts == [2, 2, 3, 4]


def test_busiest_day_may_be_any_day(row: Any, features_of: Any) -> None:
    """The busiest 24 hours needn't be the last ones, nor a day of the calendar."""
    rows = [row(minutes, 100) for minutes in (0, 20 * HOURS, 30 * HOURS, 43 * HOURS, 900 * HOURS)]
    values = features_of(rows)
    assert (values["busiest_24h_count"], values["busiest_24h_out"]) == (3, 300)


@pytest.mark.parametrize(("country", "night"), [("FR", 0), ("PF", 0), ("NC", 1), ("GB", 1)])
def test_night_is_in_the_residences_local_time(row: Any, features_of: Any, country: str, night: float) -> None:
    """5:30 in London is 6:30 in Paris and 19:30 in Tahiti; 13:30 + 11 hours is night in Nouméa."""
    minutes = {"NC": 13.5, "GB": 5.5, "FR": 5.5, "PF": 5.5}[country] * HOURS
    assert features_of([row(minutes)], country_of_residence=country)["night_share"] == night


def test_weekend_is_in_the_residences_local_time(row: Any, features_of: Any) -> None:
    """Friday 13:30 in UTC is Saturday in Nouméa."""
    friday = 4 * DAYS + 13.5 * HOURS
    assert features_of([row(friday)], country_of_residence="NC")["weekend_share"] == 1
    assert features_of([row(friday)], country_of_residence="FR")["weekend_share"] == 0


@pytest.mark.parametrize("country", [None, "??"])
def test_night_is_missing_if_the_zone_is_unknown(row: Any, features_of: Any, country: str | None) -> None:
    """Without a known time zone, nights, office hours and weekends are missing."""
    values = features_of([row()], country_of_residence=country)
    assert np.isnan([values[name] for name in ("night_share", "office_share", "weekend_share")]).all()


def test_pending_counts_transactions_open_at_the_last_activity(row: Any, features_of: Any) -> None:
    """A transaction that completed after the last activity counts as open."""
    done = row(0)["created_at"] + 30 * DAYS * 60_000_000
    rows = [row(0, completed_at=done), row(1, completed_at=row(2)["created_at"]), row(2, state="PENDING"), row(3)]
    assert features_of(rows)["pending_share"] == 0.5


def test_amounts_just_below_a_limit_are_counted(row: Any, features_of: Any) -> None:
    """475 to below 500 is just below; 474.99 and 500 are not."""
    rows = [row(i, amount) for i, amount in enumerate([474.99, 475, 499.99, 500, 9_500, 14_999])]
    assert features_of(rows)["below_threshold_count"] == 4


def test_crypto_counts_if_it_is_not_the_stated_reason(row: Any, features_of: Any) -> None:
    """Crypto purchases in any state count if crypto isn't the stated reason."""
    rows = [row(0, 500, type="CRYPTO_ON_RAMP"), row(1, 300, type="CRYPTO_ON_RAMP", state="CANCELLED")]
    assert features_of(rows, reason_to_use_app="TRAVEL_ACCOUNT")["onramp_against_reason"] == 800
    assert features_of(rows, reason_to_use_app="CRYPTO_SERVICES")["onramp_against_reason"] == 0


def test_income_counts_for_occupations_with_a_low_income(row: Any, features_of: Any) -> None:
    """Money in counts for a student, and not for one in management; without a biometric log-in, and not with one."""
    rows = [row(0, 2_000, direction="IN")]
    assert features_of(rows, occupation="STUDENTS")["low_income_in"] == 2_000
    assert features_of(rows, occupation="MANAGEMENT")["low_income_in"] == 0
    assert features_of(rows, has_biometrics=False)["no_biometrics_in"] == 2_000
    assert np.isnan(features_of(rows, has_biometrics=None)["no_biometrics_in"])


@bounded
@given(amounts=st.lists(st.integers(1, 12), min_size=1, max_size=60))
def test_median_equals_numpys(amounts: list[int], row: Any, features_of: Any) -> None:
    """The median, found by selection among many equal amounts, is NumPy's."""
    rows = [row(minutes, float(amount)) for minutes, amount in enumerate(amounts)]
    assert features_of(rows)["amount_median"] == np.median(amounts)


@bounded
@given(stays=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5)), min_size=1, max_size=40))
def test_weighted_median_equals_the_median_of_repeated_values(
    stays: list[tuple[int, int]], row: Any, features_of: Any
) -> None:
    """The median weighted by amount is the lower median of values repeated by amount."""
    rows = []
    for number, (hours, euros) in enumerate(stays):
        begin = number * 3 * DAYS
        rows += [row(begin, euros, direction="IN"), row(begin + hours * HOURS, euros, id=f"out {number}")]
    hours = np.sort(np.repeat(*np.array(stays).T))
    assert features_of(rows)["dwell_median_hours"] == hours[(len(hours) - 1) // 2]
