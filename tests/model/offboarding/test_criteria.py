"""The action rule of a scoring run."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.criteria import Criteria, listing, refuse_other_rule
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.segments import SEGMENTS

DEFAULTS = load_config().corroboration


def frozen(**parts):
    """The default rule as a bundle freezes it, with some parts replaced."""
    patterns = {code: dict(limits) for code, limits in DEFAULTS.rules.items()}
    patterns["LARGE_AMOUNT"]["usual"] = 4321.0
    return ActionRule(**({"minimum": 1, "patterns": patterns} | parts))


@pytest.mark.parametrize(
    ("segment", "patterns", "expected"),
    [
        ("high", 1, "off-boarding"),
        ("high", 3, "off-boarding"),
        ("high", 0, "review: high without corroboration"),
        ("medium", 2, "review: medium"),
        ("medium", 0, "review: medium"),
        ("low", 5, ""),
    ],
)
def test_list_follows_from_the_action_and_the_segment(segment, patterns, expected):
    """The rule decides the action; the action and the segment decide the list."""
    assert listing(frozen().action(segment, patterns), segment) == expected


@pytest.mark.parametrize(("segment", "patterns", "minimum"), list(itertools.product(SEGMENTS, (0, 1, 2), (1, 2))))
def test_sentence_about_the_action_agrees_with_the_rule(segment, patterns, minimum):
    """The sentence for the analyst begins with the action that the rule gives."""
    rule = frozen(minimum=minimum)
    begins = {"propose_off_boarding": "Off-boarding is proposed", "review": "To review", "none": "No action"}
    said = Criteria(rule, "bundle").because(segment, patterns)
    assert said.startswith(begins[rule.action(segment, patterns)])


def test_sentence_has_the_found_and_needed_patterns():
    """The reason why a High customer isn't proposed names the number of patterns and the minimum."""
    criteria = Criteria(frozen(minimum=2), "bundle")
    assert "but 1 pattern was found (2 or more are needed" in criteria.because("high", 1)
    assert "but no patterns were found" in criteria.because("high", 0)


@pytest.mark.parametrize(
    ("origin", "words"), [("bundle", "frozen in the bundle"), ("configuration", "taken from the configuration")]
)
def test_description_has_the_version_and_origin_of_the_rule(origin, words):
    """The description has the version, and says whether the bundle or the configuration has the rule."""
    said = Criteria(frozen(), origin).describe()
    assert "version 2 of the action rule" in said
    assert words in said


def test_same_rule_in_a_configuration_is_accepted():
    """The amount that training froze isn't a difference."""
    refuse_other_rule(frozen(), DEFAULTS, "bank.yaml")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"minimum": 2}, "minimum is 2, in the bundle 1"),
        (
            {"rules": DEFAULTS.rules | {"VELOCITY_BURST": {"count": 9, "hours": 1}}},
            "VELOCITY_BURST.count is 9, in the bundle 8",
        ),
        ({"rules": {"LARGE_AMOUNT": DEFAULTS.rules["LARGE_AMOUNT"]}}, "PASS_THROUGH is only in the bundle"),
    ],
)
def test_other_rule_in_a_configuration_is_refused_by_name(changes, difference):
    """The refusal names the file, each difference, and what to do."""
    with pytest.raises(ConfigError, match=r"bank\.yaml differs from the action rule") as refusal:
        refuse_other_rule(frozen(), msgspec.structs.replace(DEFAULTS, **changes), "bank.yaml")
    assert difference in refusal.value.problem
    assert "train a new bundle" in refusal.value.remedy


def test_pattern_that_only_the_configuration_has_is_refused():
    """A pattern that the bundle doesn't have is refused."""
    fewer = frozen(patterns={"LARGE_AMOUNT": frozen().patterns["LARGE_AMOUNT"]})
    with pytest.raises(ConfigError, match=r"PASS_THROUGH is only in bank\.yaml"):
        refuse_other_rule(fewer, DEFAULTS, "bank.yaml")
