"""Who asks, and what they may do."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller, Permission, current
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


def test_current_is_local_until_told() -> None:
    """Where no gate stands the current caller is local."""
    assert current.get() is LOCAL


def test_current_is_the_tasks_own() -> None:
    """Two requests at once each see their own caller."""

    async def answered(name: str) -> str:
        current.set(Caller(name, frozenset()))
        await asyncio.sleep(0)
        return current.get().name

    async def both() -> list[str]:
        return await asyncio.gather(answered("a"), answered("b"))

    assert asyncio.run(both()) == ["a", "b"]
    assert current.get() is LOCAL
