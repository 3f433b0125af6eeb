"""The files of a bundle."""

from __future__ import annotations

from customer_risk.model.training import packing


def test_golden_customers_are_made_up_and_repeat_themselves():
    """Golden requests come from the generator alone, the same each time."""
    assert packing.golden_customers() == packing.golden_customers()


def test_golden_customers_hold_customers_with_and_without_transactions():
    """Some golden customers transact, at least one doesn't; none is too long to check at every start."""
    lengths = [len(rows) for _, rows in packing.golden_customers()]
    assert len(lengths) > packing.GOLDEN
    assert min(lengths) == 0
    assert 0 < max(lengths) <= packing.MOST_ROWS


def test_golden_customers_name_nobody():
    """Neither a customer's id nor a gender nor a birth date is in them."""
    for profile, rows in packing.golden_customers():
        assert not {"user_id", "customer_id", "gender", "date_of_birth"} & profile.keys()
        assert all("user_id" not in row for row in rows)
