"""JSON pointers."""

from __future__ import annotations

from customer_risk.serving.contract.pointers import pointer_to


def test_members_are_joined_by_slashes() -> None:
    """Names and indices follow each other."""
    assert pointer_to("/instances/0", "transactions", 3, "amount") == "/instances/0/transactions/3/amount"


def test_slashes_and_tildes_in_names_are_escaped() -> None:
    """RFC 6901: ~ becomes ~0 and / becomes ~1."""
    assert pointer_to("", "a/b~c") == "/a~1b~0c"
