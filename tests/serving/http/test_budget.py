"""The bytes of bodies that a worker holds."""

from __future__ import annotations

import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.errors import Overloaded
from customer_risk.serving.http.budget import Budget, client_of


def test_one_client_has_a_lower_bound_than_all_clients() -> None:
    """Bytes beyond a client's bound are refused while another client's are held, up to the bound for all clients."""
    budget = Budget(100, 60)
    first, second = budget.hold("a"), budget.hold("a")
    first.grow(50)
    with pytest.raises(Overloaded, match="of this client's unanswered requests would exceed 60 bytes"):
        second.grow(11)
    budget.hold("b").grow(50)
    with pytest.raises(Overloaded, match="of all unanswered requests would exceed 100 bytes"):
        budget.hold("c").grow(1)


def test_a_refused_request_keeps_its_earlier_bytes() -> None:
    """After a refusal, a request still holds its earlier bytes, and releases exactly these at its end."""
    budget = Budget(100, 100)
    with budget.hold("a") as held:
        held.grow(80)
        with pytest.raises(Overloaded):
            held.grow(101)
        assert budget.held == 80
    assert budget.held == 0
    budget.hold("a").grow(100)


def test_a_request_that_shrinks_releases_bytes() -> None:
    """Bytes that a request no longer holds can be held for others."""
    budget = Budget(100, 100)
    held = budget.hold("a")
    held.grow(100)
    held.grow(10)
    budget.hold("b").grow(90)


def test_a_declared_length_holds_nothing() -> None:
    """A declared length is only compared with the budget; bytes are held once they have arrived."""
    budget = Budget(100, 100)
    budget.hold("a").require(100)
    budget.hold("a").grow(100)
    with pytest.raises(Overloaded):
        budget.hold("a").require(1)


@pytest.mark.parametrize(
    ("scope", "caller", "client"),
    [
        ({"client": ("10.0.0.1", 5)}, LOCAL, "10.0.0.1"),
        ({"client": ("10.0.0.1", 5)}, Caller("payments", frozenset()), "payments"),
        ({"client": None}, LOCAL, "local"),
    ],
)
def test_a_client_is_a_caller_or_an_address(scope, caller, client) -> None:
    """A client is its caller's name with authentication, and its IP address without."""
    assert client_of(scope, caller) == client
