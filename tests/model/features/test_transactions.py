"""How event rows become transactions: one an id, whatever the rows' order, and which of them count."""

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


def test_order_of_states_decides_and_not_the_clock(row: Any, features_of: Any) -> None:
    """A reversal is final though its row was created before the completion's."""
    rows = [row(60, 20, id="t"), row(0, 20, id="t", state="REVERSED")]
    assert features_of(rows)["reversed_share"] == 1


def test_transaction_began_when_its_first_row_did(row: Any, features_of: Any) -> None:
    """A transaction's time is the earliest of its rows'."""
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


def test_whole_rows_that_repeat_change_nothing(row: Any, features_of: Any) -> None:
    """The same row twice is one transaction."""
    assert features_of([row(0), row(0)])["transactions"] == 1


def test_same_time_and_amount_under_two_ids_are_two(row: Any, features_of: Any) -> None:
    """Rows alike in all but the id are two transactions."""
    assert features_of([row(0, id="a"), row(0, id="b")])["transactions"] == 2


def test_unknown_state_is_final(row: Any, features_of: Any) -> None:
    """A state that nobody knows comes after all others."""
    assert features_of([row(0, id="t"), row(0, id="t", state="VAPORISED")])["out_sum"] == 0


def test_banks_own_rows_are_no_transactions(row: Any, features_of: Any) -> None:
    """Fees and rewards count for nothing but for what came first of all."""
    rows = [row(0, 14.99, type="PROCESSING_FEE"), row(5, 10), row(9, 10, type="USER_REWARD", direction="IN")]
    values = features_of(rows)
    assert (values["transactions"], values["out_sum"], values["in_sum"]) == (1, 10, 0)
    assert values["starts_with_fee"] == 1


def test_banks_later_rows_do_not_say_how_long_the_account_lived(row: Any, features_of: Any) -> None:
    """A monthly fee after the last activity changes nothing."""
    mine = [row(0, 10), row(60, 20)]
    later = [row(days * 24 * HOURS, 9.99, type="PROCESSING_FEE") for days in (31, 62, 300)]
    assert np.array_equal(list(features_of(mine).values()), list(features_of([*mine, *later]).values()), equal_nan=True)


def test_customer_with_nothing_but_fees_has_no_transaction(row: Any, features_of: Any) -> None:
    """Where only the bank did anything, features are those of no transaction."""
    none = features_of([])
    assert none["no_transactions"] == 1
    assert none["transactions"] == 0
    fees = features_of([row(0, 14.99, type="PROCESSING_FEE"), row(50_000, 14.99, type="PROCESSING_FEE")])
    assert np.array_equal(list(none.values()), list(fees.values()), equal_nan=True)
