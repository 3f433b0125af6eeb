"""The declared criteria: who is listed where, and what a configuration may declare."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.criteria import FOUND_PATTERNS, declare
from customer_risk.model.offboarding.patterns import PATTERNS

DEFAULTS = load_config().corroboration


def changed(**parts):
    """Give the default section with some parts replaced."""
    return msgspec.structs.replace(DEFAULTS, **parts)


@pytest.mark.parametrize(
    ("segment", "patterns", "listing"),
    [
        ("high", 1, "off-boarding"),
        ("high", 3, "off-boarding"),
        ("high", 0, "review: high without corroboration"),
        ("medium", 2, "review: medium"),
        ("medium", 0, "review: medium"),
        ("low", 5, ""),
    ],
)
def test_off_boarding_needs_high_and_a_pattern(segment, patterns, listing):
    """Neither a score nor a pattern alone proposes anything."""
    frame = pl.DataFrame({"segment": [segment], "n": [patterns]})
    assert frame.select(declare(DEFAULTS).listing(pl.col("segment"), pl.col("n"))).item() == listing


def test_minimum_asks_for_several_patterns():
    """A stricter bank declares that two must stand."""
    frame = pl.DataFrame({"segment": ["high", "high"], "n": [1, 2]})
    listed = frame.select(declare(changed(minimum=2)).listing(pl.col("segment"), pl.col("n"))).to_series()
    assert listed.to_list() == ["review: high without corroboration", "off-boarding"]


def test_patterns_come_in_the_rules_order_by_customer(make_transactions):
    """The same history gives the same rows in the same order."""
    rows = [
        (f"c{n}", f"{n}-{part}", part, *move)
        for n in (2, 1)
        for part, move in enumerate([("BANK_TRANSFER", "IN", 4_000), ("BANK_TRANSFER", "OUT", 4_000)])
    ]
    found = declare(DEFAULTS).find(make_transactions(*rows))
    assert found.schema == FOUND_PATTERNS
    assert found.select("code", "customer_id").rows() == [
        ("PASS_THROUGH", "c1"),
        ("PASS_THROUGH", "c2"),
        ("LARGE_AMOUNT", "c1"),
        ("LARGE_AMOUNT", "c2"),
    ]


def test_rule_that_is_not_declared_is_off(make_transactions):
    """Only the configured rules are searched for."""
    rows = [("c", "in", 0, "BANK_TRANSFER", "IN", 4_000), ("c", "out", 1, "BANK_TRANSFER", "OUT", 4_000)]
    only = declare(changed(rules={"LARGE_AMOUNT": DEFAULTS.rules["LARGE_AMOUNT"]}))
    assert only.find(make_transactions(*rows))["code"].to_list() == ["LARGE_AMOUNT"]


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"PASS_TROUGH": {}}, "there is no rule PASS_TROUGH"),
        ({"VELOCITY_BURST": {"count": 8}}, r"VELOCITY_BURST\.hours is missing"),
        ({"VELOCITY_BURST": {"count": 8, "hours": 1, "minutes": 2}}, r"VELOCITY_BURST\.minutes is unknown"),
        ({"VELOCITY_BURST": {"count": 1, "hours": 1}}, r"VELOCITY_BURST\.count is 1"),
        ({"VELOCITY_BURST": {"count": 2.5, "hours": 1}}, "not a whole number"),
        ({"VELOCITY_BURST": {"count": 8, "hours": 0}}, r"VELOCITY_BURST\.hours is 0"),
        ({"VELOCITY_BURST": {"count": 8, "hours": float("nan")}}, r"VELOCITY_BURST\.hours is nan"),
        ({"NIGHT_BURST": {"count": 4, "until_hour": 13}}, r"NIGHT_BURST\.until_hour is 13"),
        ({"PASS_THROUGH": {"hours": 24, "share": 80, "amount": 500}}, r"PASS_THROUGH\.share is 80"),
    ],
)
def test_meaningless_rule_is_refused_by_name(rules, fault):
    """The refusal names the rule, the threshold and what may be said."""
    with pytest.raises(ConfigError, match=fault) as refusal:
        declare(changed(rules=rules))
    assert all(rule.code in refusal.value.remedy for rule in PATTERNS)


def test_every_fault_is_named_at_once():
    """Nobody mends a configuration one message at a time."""
    with pytest.raises(ConfigError, match=r"no rule A; there is no rule B; .*minimum 9"):
        declare(changed(rules={"A": {}, "B": {}}, minimum=9))


@pytest.mark.parametrize("minimum", [0, -1, 8])
def test_minimum_that_cannot_be_meant_is_refused(minimum):
    """No pattern at all, or more than there are rules, would switch the criteria off."""
    with pytest.raises(ConfigError, match="minimum"):
        declare(changed(minimum=minimum))


def test_no_rule_at_all_is_refused():
    """Without rules every High customer would wait in the review list forever."""
    with pytest.raises(ConfigError, match="from 1 to the number of rules, 0"):
        declare(changed(rules={}))


@pytest.mark.parametrize("rule", PATTERNS, ids=lambda rule: rule.code)
def test_every_rule_words_its_thresholds_and_its_finding(rule):
    """No placeholder is left unfilled, and the thresholds are all told."""
    one = declare(changed(rules={rule.code: DEFAULTS.rules[rule.code]})).by_code()[rule.code]
    told = one.tell(count=3, amount=1234.5, share=0.873)
    assert "{" not in told + one.describe()
    assert "1,234.50 EUR" in told
    assert all(f"{{{name}}}" in rule.limits for name in rule.thresholds)


def test_one_transaction_is_worded_as_one():
    """People read these sentences."""
    large = declare(DEFAULTS).by_code()["LARGE_AMOUNT"]
    assert large.tell(count=1, amount=4000, share=None).startswith("1 transaction of 3,000 EUR or more, larger")
    assert large.tell(count=2, amount=8000, share=None).startswith("2 transactions of")
