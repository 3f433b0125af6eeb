"""Event rows become one transaction for each id, in any order of the rows."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

HOURS = 60  # minutes


@pytest.mark.parametrize("final", ["COMPLETED", "CANCELLED", "FAILED", "DECLINED", "REVERSED"])
def test_an_id_is_one_transaction_in_its_final_state(row: Any, features_of: Any, final: str) -> None:
    """A PENDING row and a later state of the same id are one transaction, in the later state, in either order."""
    pending, done = row(0, 20, id="t", state="PENDING"), row(0, 21, id="t", state=final)
    for rows in ([pending, done], [done, pending]):
        values = features_of(rows)
        assert values["transactions"] == 1
        assert values["out_sum"] == (21 if final == "COMPLETED" else 0)


def test_the_order_of_states_decides_the_final_state(row: Any, features_of: Any) -> None:
    """A reversal is final, although its row was created before the completion's."""
    rows = [row(60, 20, id="t"), row(0, 20, id="t", state="REVERSED")]
    assert features_of(rows)["reversed_share"] == 1


def test_a_transaction_has_the_time_of_its_first_row(row: Any, features_of: Any) -> None:
    """A transaction's time is the earliest time of its rows."""
    values = features_of([row(0, id="a", state="PENDING"), row(48 * HOURS, id="a"), row(24 * HOURS, id="b")])
    assert values["span_days"] == 1


def test_ties_for_the_final_state_are_broken_by_values(row: Any, features_of: Any) -> None:
    """Of several rows in the final state the one completed last counts, then the greatest amount, in any order."""
    at = row(0)["created_at"]
    rows = [
        row(0, 5, id="t", completed_at=at + 10),
        row(0, 7, id="t", completed_at=at + 20),
        row(0, 9, id="t", completed_at=at + 20),
        row(0, 99, id="t"),
    ]
    assert {features_of(list(some))["attempted_max"] for some in permutations(rows)} == {9}


def test_repeated_rows_change_nothing(row: Any, features_of: Any) -> None:
    """The same row twice is one transaction."""
    assert features_of([row(0), row(0)])["transactions"] == 1


def test_equal_rows_with_two_ids_are_two_transactions(row: Any, features_of: Any) -> None:
    """Rows alike in all but the id are two transactions."""
    assert features_of([row(0, id="a"), row(0, id="b")])["transactions"] == 2


def test_unknown_state_is_final(row: Any, features_of: Any) -> None:
    """An unknown state comes after all others."""
    assert features_of([row(0, id="t"), row(0, id="t", state="VAPORISED")])["out_sum"] == 0


def test_rows_of_the_bank_are_not_transactions(row: Any, features_of: Any) -> None:
    """Fees and rewards count only for whether a fee came first."""
    rows = [row(0, 14.99, type="PROCESSING_FEE"), row(5, 10), row(9, 10, type="USER_REWARD", direction="IN")]
    values = features_of(rows)
    assert (values["transactions"], values["out_sum"], values["in_sum"]) == (1, 10, 0)
    assert values["starts_with_fee"] == 1


def test_rows_of_the_bank_after_the_last_activity_change_nothing(row: Any, features_of: Any) -> None:
    """A monthly fee after the last activity changes nothing."""
    mine = [row(0, 10), row(60, 20)]
    later = [row(days * 24 * HOURS, 9.99, type="PROCESSING_FEE") for days in (31, 62, 300)]
    assert np.array_equal(list(features_of(mine).values()), list(features_of([*mine, *later]).values()), equal_nan=True)


def test_a_customer_with_fees_only_has_no_transaction(row: Any, features_of: Any) -> None:
    """A customer with fees only has the features of a customer without transactions."""
    none = features_of([])
    assert none["no_transactions"] == 1
    assert none["transactions"] == 0
    fees = features_of([row(0, 14.99, type="PROCESSING_FEE"), row(50_000, 14.99, type="PROCESSING_FEE")])
    assert np.array_equal(list(none.values()), list(fees.values()), equal_nan=True)
