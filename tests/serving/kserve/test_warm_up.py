"""The warm-up runs every code path of a request."""

from __future__ import annotations

import pytest

from customer_risk.model.compilation import counts
from customer_risk.model.errors import CustomerRiskError, InputError
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import MalformedBody
from customer_risk.serving.kserve.warm_up import take_every_path
from customer_risk.serving.offload import MOST_ON_LOOP


class _Noting(Service):
    """A service that keeps the size and the outcome of each body."""

    def answer(self, body: bytes, **options: object) -> object:
        try:
            answer = super().answer(body, **options)
        except CustomerRiskError as error:
            self.outcomes.add((len(body) > MOST_ON_LOOP, type(error)))
            raise
        self.outcomes.add((len(body) > MOST_ON_LOOP, *sorted({each.code for each in answer.warnings})))
        return answer


@pytest.fixture
def noting() -> _Noting:
    """A service without a bundle, which answers by rules."""
    made = _Noting("customer-risk", fallback=RuleFallback(load_rules(), "rules"), without_bundle=True)
    made.outcomes = set()
    return made


def test_small_and_large_bodies_are_answered_and_refused(noting, bundle) -> None:
    """The warm-up has bodies of each kind and size, with each warning of the parser."""
    noting.use(load_bundle(bundle, verify_golden=False))
    take_every_path(noting)
    for large in (False, True):
        assert (large,) in noting.outcomes
        assert (large, InputError) in noting.outcomes
    assert (False, MalformedBody) in noting.outcomes
    warned = {code for outcome in noting.outcomes for code in outcome[1:] if isinstance(code, str)}
    assert warned >= {"DEFAULT_TAKEN", "FUTURE_TIME", "REPEATED_ROW", "UNKNOWN_CATEGORY", "UNKNOWN_FIELD"}
    assert "IMPLAUSIBLE_VALUE" in warned


def test_the_warm_up_continues_after_an_error(noting) -> None:
    """Without a bundle, an error on one path doesn't stop the others."""
    take_every_path(noting)
    assert (True, "RULES_ANSWERED") in noting.outcomes
    assert (True, InputError) in noting.outcomes


@pytest.mark.compiled
def test_a_second_warm_up_compiles_nothing(noting, bundle) -> None:
    """A second warm-up compiles nothing."""
    noting.use(load_bundle(bundle, verify_golden=False))
    take_every_path(noting)
    before = (counts.compiled, counts.loaded)
    take_every_path(noting)
    assert (counts.compiled, counts.loaded) == before
