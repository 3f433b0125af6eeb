"""A caller, and what they may do."""

from __future__ import annotations

from typing import get_args

import pytest

from customer_risk.serving.auth.caller import LOCAL, Caller, Permission
from customer_risk.serving.errors import Forbidden

SCOPES = get_args(Permission)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_is_required(scope) -> None:
    """A caller needs the scope itself; all other scopes together are refused, and the error names the scope."""
    Caller("pay", frozenset((scope,))).require(scope)
    with pytest.raises(Forbidden, match=f"needs the scope {scope}") as caught:
        Caller("pay", frozenset(SCOPES) - {scope}).require(scope)
    assert caught.value.remedy


def test_the_local_caller_has_every_scope() -> None:
    """Without authentication the caller is local and may do everything."""
    assert (LOCAL.name, LOCAL.scopes) == ("local", frozenset(SCOPES))


def test_a_caller_is_immutable() -> None:
    """What a caller may do doesn't change while they are answered."""
    with pytest.raises(AttributeError):
        LOCAL.scopes = frozenset()
