"""The action rule is frozen with a population."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.kernel.compute import DEFAULTS
from customer_risk.model.features.vocabulary import PROFILE, STATES
from customer_risk.model.patterns.declaration import declaration_faults
from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.scoring.freezing import check_corroboration, freeze

DEFAULT = load_config().corroboration


def population(*amounts: float, state: str = "COMPLETED") -> Encoded:
    """Customers who each moved one amount (0: none), and a customer without transactions."""
    n = len(amounts)
    return Encoded(
        offsets=np.array([*range(n + 1), n]),
        ids=np.arange(n),
        created=np.arange(n),
        completed=np.zeros(n, np.int64),
        amount=np.array(amounts, np.float64),
        state=np.full(n, STATES.index(state), np.int8),
        type=np.ones(n, np.int8),
        direction=np.zeros(n, np.int8),
        profile=np.zeros((n + 1, len(PROFILE)), np.int32),
    )


def changed(**parts):
    """Return the default section with some parts replaced."""
    return msgspec.structs.replace(DEFAULT, **parts)


@pytest.mark.parametrize(("quantile", "usual"), [(0.95, 96.0), (0.5, 51.0), (1.0, 100.0), (0.001, 2.0)])
def test_usual_amount_is_the_quantile_of_those_who_moved_money(quantile, usual) -> None:
    """The quantile is one customer's amount, the higher of two; customers who moved no money don't count."""
    corroboration = changed(rules={"LARGE_AMOUNT": {"amount": 3_000, "quantile": quantile}})
    rule = freeze(corroboration, population(*range(101), *[0] * 50), DEFAULTS)
    assert rule.patterns["LARGE_AMOUNT"]["usual"] == usual


@pytest.mark.parametrize("customers", [population(), population(0.0), population(900.0, state="FAILED")])
def test_without_moved_money_only_the_declared_amount_counts(customers) -> None:
    """The usual amount is 0 if no customer moved money."""
    assert freeze(DEFAULT, customers, DEFAULTS).patterns["LARGE_AMOUNT"]["usual"] == 0.0


def test_a_rule_without_large_amount_has_only_declared_patterns() -> None:
    """Only declared patterns are in the rule."""
    declared = {"VELOCITY_BURST": {"count": 8.0, "hours": 1.0}}
    rule = freeze(changed(rules=declared), population(5.0), DEFAULTS)
    assert rule.patterns == declared
    assert rule.minimum == 1


def test_patterns_are_in_the_order_of_their_definitions() -> None:
    """The order in the configuration doesn't matter."""
    backwards = changed(rules=dict(reversed(DEFAULT.rules.items())))
    assert list(freeze(backwards, population(), DEFAULTS).patterns) == [one.code for one in PATTERNS]


def test_freezing_does_not_change_the_configuration() -> None:
    """Freezing adds nothing to the declared thresholds."""
    freeze(DEFAULT, population(5.0), DEFAULTS)
    assert "usual" not in DEFAULT.rules["LARGE_AMOUNT"]


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"PASS_TROUGH": {}}, "PASS_TROUGH is not a known pattern"),
        ({"VELOCITY_BURST": {"count": 8}}, r"VELOCITY_BURST\.hours is missing"),
        ({"VELOCITY_BURST": {"count": 8, "hours": 1, "minutes": 2}}, r"VELOCITY_BURST\.minutes is unknown"),
        ({"VELOCITY_BURST": {"count": 1, "hours": 1}}, r"VELOCITY_BURST\.count is 1"),
        ({"VELOCITY_BURST": {"count": 2.5, "hours": 1}}, "not a whole number"),
        ({"VELOCITY_BURST": {"count": 8, "hours": 0}}, r"VELOCITY_BURST\.hours is 0"),
        ({"VELOCITY_BURST": {"count": 8, "hours": float("nan")}}, r"VELOCITY_BURST\.hours is nan"),
        ({"VELOCITY_BURST": {"count": float("inf"), "hours": 1}}, r"VELOCITY_BURST\.count is inf"),
        ({"NIGHT_BURST": {"count": 4, "until_hour": 13}}, r"NIGHT_BURST\.until_hour is 13"),
        ({"PASS_THROUGH": {"hours": 24, "share": 80, "amount": 500}}, r"PASS_THROUGH\.share is 80"),
        ({"LARGE_AMOUNT": {"amount": 1, "quantile": 0.5, "usual": 3}}, r"LARGE_AMOUNT\.usual is unknown"),
        ({}, "minimum is 1; it must be from 1 to 0, the number of patterns"),
    ],
)
@pytest.mark.parametrize("entrance", [check_corroboration, lambda given: freeze(given, population(), DEFAULTS)])
def test_invalid_patterns_are_refused_by_name(entrance, rules, fault) -> None:
    """The message names the pattern, the threshold and the known patterns."""
    with pytest.raises(ConfigError, match=fault) as refusal:
        entrance(changed(rules=rules))
    assert all(pattern.code in refusal.value.remedy for pattern in PATTERNS)


@pytest.mark.parametrize("minimum", [0, -1, 8])
def test_an_impossible_minimum_of_patterns_is_refused(minimum) -> None:
    """A minimum below 1 or above the number of patterns is named."""
    with pytest.raises(ConfigError, match=f"minimum is {minimum}"):
        check_corroboration(changed(minimum=minimum))


def test_every_fault_is_named_at_once() -> None:
    """A configuration with three faults gets one message."""
    with pytest.raises(ConfigError, match=r"A is not a known pattern; B is not a known pattern; minimum is 9"):
        check_corroboration(changed(rules={"A": {}, "B": {}}, minimum=9))


def test_default_configuration_declares_every_pattern() -> None:
    """The default configuration declares every defined pattern."""
    assert set(DEFAULT.rules) == {pattern.code for pattern in PATTERNS}
    assert declaration_faults(DEFAULT.rules, 1, frozen=False) == []
