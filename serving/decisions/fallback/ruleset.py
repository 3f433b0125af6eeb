"""A set of rules: conditions on features, the points of each rule, and the segments of the sums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import one_line
from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.features.wordings import CURRENT, WORDINGS, Wordings
from customer_risk.model.files import parse_yaml, read_text
from customer_risk.model.scoring.segments import ACTIONS, BY_STRENGTH, Action, Segment
from customer_risk.serving.contract.answer import Ruling, WireReason

_REMEDY: Final = "serving/decisions/fallback/defaults.yaml shows the form; docs/reference/features.md lists features."


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a feature, both included. A missing value doesn't meet the condition."""

    feature: str
    at_least: float | UnsetType = UNSET
    at_most: float | UnsetType = UNSET

    def holds(self, value: float | None) -> bool:
        """Return whether a value lies within the bounds; a missing one, None or NaN, doesn't."""
        if value is None or value != value:  # noqa: PLR0124  NaN is missing too
            return False
        return (self.at_least is UNSET or value >= self.at_least) and (self.at_most is UNSET or value <= self.at_most)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Adds `points` if all of `when` hold; {value} in `investigator_text` is the first condition's feature."""

    code: Annotated[str, msgspec.Meta(pattern="^RULE_[A-Z0-9_]+$")]
    when: Annotated[tuple[Condition, ...], msgspec.Meta(min_length=1)]
    points: Annotated[float, msgspec.Meta(gt=0)]
    text: str
    investigator_text: str


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """Rules, the points of a medium and of a high customer, and the strongest action that the rules may propose."""

    medium_from: Annotated[float, msgspec.Meta(gt=0)]
    high_from: Annotated[float, msgspec.Meta(gt=0)]
    most: Action = "review"
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]

    @cached_property
    def version(self) -> str:
        """The sha256 of the rules, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def judge(self, values: Mapping[str, float | None], wordings: int = CURRENT) -> Ruling:
        """Return the ruling on a customer with these features; one that is absent, None or NaN is missing.

        `wordings` is the version of the texts: a replay needs the version that the record names.
        """
        held = [rule for rule in self.rules if all(each.holds(values.get(each.feature)) for each in rule.when)]
        points = sum(rule.points for rule in held)
        segment: Segment = "high" if points >= self.high_from else "medium" if points >= self.medium_from else "low"
        held.sort(key=lambda rule: -rule.points)  # stable: rules with equal points keep the file's order
        action = min(ACTIONS[segment], self.most, key=BY_STRENGTH.index)
        reasons = _reasons(held[:5], values, points, WORDINGS[wordings])
        return Ruling(segment=segment, action=action, reasons=reasons)


def load_rules(path: Path | None = None) -> RuleSet:
    """Return the rules of a YAML file, or those in the package.

    Raises ConfigError for a feature that isn't in the catalogue, a repeated code, bounds that exclude every value, or a
    condition without a bound.
    """
    where = path or "serving/decisions/fallback/defaults.yaml"
    try:
        text = read_text(path) if path else resources.files(__package__).joinpath("defaults.yaml").read_text("utf-8")
        rules = msgspec.convert(parse_yaml(text), RuleSet)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigError(f"The rules in {where} can't be used: {one_line(error)}.", remedy=_REMEDY) from error
    fault = _fault(rules)
    if fault:
        raise ConfigError(f"The rules in {where} can't be used: {fault}.", remedy=_REMEDY)
    return rules


def _fault(rules: RuleSet) -> str | None:
    if rules.medium_from > rules.high_from:
        return f"medium_from ({rules.medium_from:g}) is above high_from ({rules.high_from:g})"
    seen: set[str] = set()
    for rule in rules.rules:
        if rule.code in seen:
            return f"{rule.code} occurs twice"
        seen.add(rule.code)
        for each in rule.when:
            bounds = (each.at_least, each.at_most)
            if each.feature not in BY_NAME:
                return f"{rule.code} uses {each.feature!r}, which isn't in the catalogue"
            if bounds == (UNSET, UNSET):
                return f"{rule.code} sets no bound for {each.feature}"
            if UNSET not in bounds and each.at_least > each.at_most:  # type: ignore[operator]  # both are numbers here
                return f"{rule.code}: at_least ({each.at_least:g}) is above at_most ({each.at_most:g})"
    return None


def _reasons(
    held: Sequence[Rule], values: Mapping[str, Any], points: float, wordings: Wordings
) -> tuple[WireReason, ...]:
    """Return the reasons of the rules that apply; a reason's text is empty if an earlier reason has the same text."""
    told = [rule.text for rule in held]
    texts = ["" if text in told[:place] and not wordings.repeats else text for place, text in enumerate(told)]
    return tuple(_reason(rule, text, values, points, wordings) for rule, text in zip(held, texts, strict=True))


def _reason(rule: Rule, text: str, values: Mapping[str, Any], points: float, wordings: Wordings) -> WireReason:
    feature = BY_NAME[rule.when[0].feature]
    value = values[feature.name]
    return WireReason(
        code=rule.code,
        text=text,
        direction="raises",
        feature=feature.name,
        value=value,
        unit=feature.unit,
        contribution=None,
        share=rule.points / points,
        investigator_text=rule.investigator_text.replace("{value}", wordings.formatted(value, feature.unit)),
    )
