"""A caller, and what they may do."""

from __future__ import annotations

from typing import get_args

import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller, Permission
from customer_risk.serving.errors import Forbidden

SCOPES = get_args(Permission)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_that_is_there(scope) -> None:
    """Whoever has a scope may do what it is for."""
    Caller("pay", frozenset((scope,))).require(scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_that_is_not_there(scope) -> None:
    """Every other scope together doesn't stand for the one that is needed; the refusal names it."""
    with pytest.raises(Forbidden, match=f"needs the scope {scope}") as caught:
        Caller("pay", frozenset(SCOPES) - {scope}).require(scope)
    assert caught.value.remedy


def test_local() -> None:
    """Without authentication the caller is local and may do everything."""
    assert (LOCAL.name, LOCAL.scopes) == ("local", frozenset(SCOPES))


def test_cannot_be_changed() -> None:
    """What a caller may do doesn't change while they are answered."""
    with pytest.raises(AttributeError):
        LOCAL.scopes = frozenset()
