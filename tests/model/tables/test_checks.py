"""The declared rules and the schema's rules are the same."""

from __future__ import annotations

from customer_risk.model.tables.checks import CHECKS, checks_of
from customer_risk.model.tables.schema import Event, LabelledProfile, Profile
from customer_risk.model.tables.traps import TRAPS


def test_every_rule_of_the_schema_is_declared() -> None:
    """Each rule of the schemas is declared, except those of columns that reading makes."""
    judged = set(LabelledProfile._validation_rules(with_cast=False)) | set(Event._validation_rules(with_cast=False))
    beside = {f"{name}|nullability" for name in ("row", "same_owner", "same_kind", "same_creation", "same_ending")}
    assert judged - beside == {rule.key for rule in CHECKS if rule.key}


def test_every_declared_column_exists() -> None:
    """The columns of a rule are columns of its table."""
    for rule in CHECKS:
        schema = LabelledProfile if rule.kind == "users" else Event
        assert set(rule.columns) <= set(schema.column_names()), rule.name


def test_names_are_unique_within_a_kind() -> None:
    """A rule's name is unique within its kind of table."""
    names = [(rule.kind, rule.name) for rule in CHECKS]
    assert len(set(names)) == len(names)


def test_every_rule_has_a_sentence_in_the_report() -> None:
    """The count of each failed rule has a sentence."""
    assert {f"failed_{rule.name}" for rule in CHECKS} <= set(TRAPS)


def test_the_unlabelled_cohort_has_no_rule_on_labels() -> None:
    """The unlabelled cohort has no rules about labels."""
    rules = checks_of("users", labelled=False)
    assert not any("label" in rule.columns for rule in rules)
    assert {rule.key for rule in rules if rule.key} <= set(Profile._validation_rules(with_cast=False))


def test_layers_come_in_order() -> None:
    """Rules of types come before those of ranges, and these before business rules."""
    for kind in ("users", "transactions"):
        layers = [rule.layer for rule in checks_of(kind, labelled=True)]
        assert layers == sorted(layers, key=["types", "ranges", "business"].index)
