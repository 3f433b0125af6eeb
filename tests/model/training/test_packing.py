"""The files of a bundle."""

from __future__ import annotations

from customer_risk.model.training import packing


def test_golden_customers_are_the_same_each_time():
    """Golden requests are the same each time."""
    assert packing.golden_customers() == packing.golden_customers()


def test_golden_customers_are_with_and_without_transactions():
    """Golden customers are with and without transactions, and have at most MOST_ROWS rows."""
    lengths = [len(rows) for _, rows in packing.golden_customers()]
    assert len(lengths) > packing.GOLDEN
    assert min(lengths) == 0
    assert 0 < max(lengths) <= packing.MOST_ROWS


def test_golden_requests_have_no_personal_data():
    """Golden requests have no id, gender or date of birth."""
    for profile, rows in packing.golden_customers():
        assert not {"user_id", "customer_id", "gender", "date_of_birth"} & profile.keys()
        assert all("user_id" not in row for row in rows)
