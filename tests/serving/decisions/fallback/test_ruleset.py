"""Rules: their rulings, and every kind of invalid file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.features.wordings import FIRST
from customer_risk.serving.decisions.fallback.ruleset import load_rules

RECORDS = Path(__file__).parents[3] / "data" / "version-2" / "records.jsonl"
SET = """
medium_from: 2
high_from: 3
rules:
  - {code: RULE_A, when: [{feature: out_sum, at_least: 100}], points: 1, text: a, investigator_text: "{value} out"}
  - {code: RULE_B, when: [{feature: in_sum, at_most: 5}, {feature: out_sum, at_least: 1}], points: 2, text: b,
     investigator_text: b}
"""


@pytest.fixture
def rules(tmp_path):
    """Load rules from a text."""

    def load(text: str):
        (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
        return load_rules(tmp_path / "rules.yaml")

    return load


@pytest.mark.parametrize(
    ("values", "segment", "codes"),
    [
        ({}, "low", []),
        ({"out_sum": 99.0, "in_sum": 6.0}, "low", []),
        ({"out_sum": 100.0, "in_sum": 6.0}, "low", ["RULE_A"]),
        ({"out_sum": 1.0, "in_sum": 5.0}, "medium", ["RULE_B"]),
        ({"out_sum": 100.0, "in_sum": 5.0}, "high", ["RULE_B", "RULE_A"]),
        ({"out_sum": math.nan, "in_sum": None}, "low", []),
    ],
)
def test_points_add_up_to_a_segment(rules, values, segment, codes) -> None:
    """Bounds are inclusive, all conditions must hold, a missing value meets none, and most points come first."""
    ruling = rules(SET).judge(values)
    assert (ruling.segment, [reason.code for reason in ruling.reasons]) == (segment, codes)
    assert ruling.probability is None


def test_most_bounds_the_action(rules) -> None:
    """`most` bounds the action for any number of points.

    Files of earlier releases that propose off-boarding still do, for replays.
    """
    values = {"out_sum": 100.0, "in_sum": 5.0}
    assert rules(SET).judge(values).action == "review"
    assert rules("most: propose_off_boarding\n" + SET).judge(values).action == "propose_off_boarding"
    assert rules("most: none\n" + SET).judge(values).action == "none"


def test_a_reason_has_value_unit_share_and_texts(rules) -> None:
    """A reason has the value, its unit, the rule's share of the points, and both texts."""
    *_, reason = rules(SET).judge({"out_sum": 1234.5, "in_sum": 5.0}).reasons
    assert (reason.feature, reason.value, reason.unit, reason.direction) == ("out_sum", 1234.5, "EUR", "raises")
    assert (reason.text, reason.investigator_text) == ("a", "EUR 1,234.50 out")
    assert (reason.share, reason.contribution) == (1 / 3, None)


SAME = """
medium_from: 2
high_from: 3
rules:
  - {code: RULE_A, when: [{feature: out_sum, at_least: 1}], points: 3, text: a, investigator_text: "{value} out"}
  - {code: RULE_B, when: [{feature: gap_median_hours, at_most: 1}], points: 2, text: a,
     investigator_text: "{value} gap"}
  - {code: RULE_C, when: [{feature: out_sum, at_least: 1}], points: 1, text: b, investigator_text: c}
"""


@pytest.mark.parametrize(
    ("wordings", "texts", "gap"), [((), ["a", "", "b"], "6 minutes gap"), ((1,), ["a", "a", "b"], "0.1 hours gap")]
)
def test_a_ruling_has_the_texts_of_the_given_version(rules, wordings, texts, gap) -> None:
    """Texts don't repeat in version 2; with version 1, texts and values are those of earlier records."""
    reasons = rules(SAME).judge({"out_sum": 1.0, "gap_median_hours": 0.1}, *wordings).reasons
    assert [reason.text for reason in reasons] == texts
    assert reasons[1].investigator_text == gap


def test_stored_rulings_have_the_texts_of_version_1() -> None:
    """Rulings in version 1 of the wordings are unchanged, including repeated texts."""
    documents = [json.loads(line)["document"] for line in RECORDS.read_text().splitlines()]
    ruled = [document for document in documents if document["source"] == "rules"]
    assert ruled
    for document in ruled:
        values = {each["name"]: each["value"] for each in document["features"]}
        assert msgspec.to_builtins(load_rules().judge(values, FIRST).reasons) == tuple(document["reasons"])
    texts = [[reason["text"] for reason in document["reasons"]] for document in ruled]
    assert any(len(set(each)) < len(each) for each in texts)


def test_the_version_depends_only_on_the_rules(rules) -> None:
    """The version changes with a threshold, and not with comments or the order of keys."""
    assert rules(SET).version == rules("# a comment" + SET).version
    assert rules(SET).version != rules(SET.replace("100", "101")).version


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("out_sum, at_least: 100", "shoe_size, at_least: 44", "shoe_size"),
        ("RULE_B", "RULE_A", "RULE_A occurs twice"),
        ("in_sum, at_most: 5", "in_sum", "sets no bound for in_sum"),
        ("in_sum, at_most: 5", "in_sum, at_most: 5, at_least: 6", "is above at_most"),
        ("medium_from: 2", "medium_from: 4", "medium_from"),
        ("points: 1", "points: 0", "points"),
        ("RULE_A", "a", "code"),
        ("text: a,", "texts: a,", "texts"),
        ("rules:", "rules: [", "can't be used"),
    ],
)
def test_an_invalid_file_is_refused(rules, old, new, said) -> None:
    """An invalid file is refused with the fault."""
    with pytest.raises(ConfigError, match=said):
        rules(SET.replace(old, new, 1))


def test_a_missing_file_is_named(tmp_path) -> None:
    """A missing file is named by its path."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_rules(tmp_path / "nowhere.yaml")


def test_the_default_rules_show_customers_no_values() -> None:
    """The text for the customer has no value and no threshold."""
    for rule in load_rules().rules:
        assert not any(character.isdigit() or character in "{}%" for character in rule.text), rule.code


def test_the_default_rules_rank_better_than_chance(hometask) -> None:
    """On the labelled tables, points order customers well above the share of suspended ones."""
    from sklearn.metrics import average_precision_score

    from customer_risk.model.features.frame import feature_table
    from customer_risk.model.tables.cleaning import load_cohort

    cohort = load_cohort(hometask, "labelled")
    table = feature_table(cohort.customers, cohort.events)
    rules = load_rules()
    points = [
        sum(rule.points for rule in rules.rules if all(each.holds(row.get(each.feature)) for each in rule.when))
        for row in (dict(zip(table.names, values, strict=True)) for values in table.values.tolist())
    ]
    suspended = cohort.customers["suspended"].to_numpy()
    assert average_precision_score(suspended, points) > 2 * suspended.mean()


def test_rules_survive_a_round_trip() -> None:
    """Encoded and decoded rules are equal."""
    rules = load_rules()
    assert msgspec.json.decode(msgspec.json.encode(rules), type=type(rules)) == rules
