"""The bytes of bodies that a worker holds."""

from __future__ import annotations

import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.errors import Overloaded
from customer_risk.serving.http.budget import Budget, client_of


def test_one_client_is_bounded_before_all_are() -> None:
    """Bytes beyond a client's own bound are refused; another client's are held."""
    budget = Budget(100, 60)
    first, second = budget.hold("a"), budget.hold("a")
    first.grow(50)
    with pytest.raises(Overloaded, match="of this client's unanswered requests would exceed 60 bytes"):
        second.grow(11)
    budget.hold("b").grow(50)
    with pytest.raises(Overloaded, match="of all unanswered requests would exceed 100 bytes"):
        budget.hold("c").grow(1)


def test_a_refused_request_holds_what_it_held() -> None:
    """After a refusal, the request still holds its earlier bytes, and returns exactly them."""
    budget = Budget(100, 100)
    with budget.hold("a") as held:
        held.grow(80)
        with pytest.raises(Overloaded):
            held.grow(101)
        assert budget.held == 80
    assert budget.held == 0
    budget.hold("a").grow(100)


def test_a_request_that_shrinks_returns_bytes() -> None:
    """Bytes that a request holds no more are free for others."""
    budget = Budget(100, 100)
    held = budget.hold("a")
    held.grow(100)
    held.grow(10)
    budget.hold("b").grow(90)


def test_a_declared_length_holds_nothing() -> None:
    """A length that fits is checked only: bytes are held once they have arrived."""
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
def test_a_client_is_a_caller_or_else_an_address(scope, caller, client) -> None:
    """With authentication a client is its caller's name, without it an IP address."""
    assert client_of(scope, caller) == client
