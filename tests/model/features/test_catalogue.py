"""The catalogue is consistent, and the kernel computes what it says."""

from __future__ import annotations

import dataclasses
import json
import re
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from customer_risk.model.features import catalogue
from customer_risk.model.features.catalogue import BY_NAME, CATALOGUE, NAMES, catalogue_hash, default_names
from customer_risk.model.features.feature import NO_TRANSACTION, Feature
from customer_risk.model.features.former_texts import former_texts
from customer_risk.model.features.frame import FeatureTable, feature_table
from customer_risk.model.features.terms import TERMS
from customer_risk.model.features.wordings import CURRENT, FIRST, WORDINGS
from customer_risk.model.tables.schema import Customers, Events

EVENT_COLUMNS = frozenset(Events.column_names())
PROFILE_COLUMNS = frozenset(Customers.column_names()) - {"customer_id"}
SENSITIVE = {"date_of_birth", "document_issuing_country", "locale", "phone_number_country_code"}
# Words that would tell a customer what was noticed, of whatever form.
TELLING = re.compile(
    r"risk|suspic|suspen|fraud|launder|crypto|night|weekend|threshold|round|declin|refus|fail|cancel|screen|politic"
    r"|media|pass|burst|investigat|report|review|unusual|mismatch|overseas|[0-9{}]",
    re.IGNORECASE,
)
NAMED = {source for feature in CATALOGUE for source in feature.sources}


@pytest.fixture(scope="module")
def cohort(synthetic: Any) -> Any:
    """The labelled synthetic customers."""
    from customer_risk.model.tables.cleaning import load_cohort

    return load_cohort(synthetic, "labelled")


@pytest.fixture(scope="module")
def table(cohort: Any) -> FeatureTable:
    """Their features."""
    return feature_table(cohort.customers, cohort.events)


def failing(holds: Callable[[Feature], object]) -> list[str]:
    """Return the names of the features for which a condition doesn't hold."""
    return [feature.name for feature in CATALOGUE if not holds(feature)]


def test_names_and_codes_are_unique() -> None:
    """No two features share a name or a reason code."""
    assert len(set(NAMES)) == len({feature.code for feature in CATALOGUE}) == len(CATALOGUE) == len(BY_NAME)


def test_names_are_identifiers() -> None:
    """A name is lower case and fit for a column and a JSON key; its code is the same in capitals."""
    assert not failing(lambda feature: re.fullmatch(r"[a-z][a-z0-9_]*", feature.name))
    assert not failing(lambda feature: feature.code == feature.name.upper())


def test_bounds_are_in_order() -> None:
    """The plausible range is not empty; that of a share or a yes/no is 0 to 1."""
    assert not failing(lambda feature: feature.low < feature.high)
    assert not failing(lambda feature: feature.unit not in {"share", "yes/no"} or (feature.low, feature.high) == (0, 1))


@pytest.mark.parametrize("field", ["group", "missing", "formula", "meaning", "investigator", "customer"])
def test_no_text_is_empty(field: str) -> None:
    """No text is empty or has extra blanks."""
    assert not failing(lambda feature: getattr(feature, field))
    assert not failing(lambda feature: getattr(feature, field) == " ".join(getattr(feature, field).split()))


def test_investigators_sentences_have_the_value() -> None:
    """The investigator's sentence has the value once and no other field; a yes/no feature has two sentences."""
    fields = {
        feature.name: [field for _, field, _, _ in string.Formatter().parse(feature.investigator) if field]
        for feature in CATALOGUE
    }
    assert not failing(lambda feature: fields[feature.name] == ([] if feature.unit == "yes/no" else ["value"]))
    assert not failing(lambda feature: feature.unit != "yes/no" or (feature.none and feature.investigator))
    assert not failing(lambda feature: "{" not in feature.none)


def test_customers_texts_have_no_value() -> None:
    """The customer's text is a whole sentence without a value."""
    assert not failing(lambda feature: feature.customer.endswith(".") and "{" not in feature.customer)


@pytest.mark.parametrize("version", WORDINGS)
def test_wording_that_could_tip_off_is_neutral(version: int) -> None:
    """If the mention of a feature could tip off, the customer's text names nothing that was noticed."""
    worded = WORDINGS[version].worded
    assert not failing(lambda feature: not (feature.tips_off and TELLING.search(worded(feature).customer)))


def test_features_of_transactions_tip_off() -> None:
    """Only details of the profile may be named to a customer; transactions may not."""
    assert not failing(lambda feature: feature.tips_off or set(feature.sources) <= PROFILE_COLUMNS)


def test_no_feature_uses_gender() -> None:
    """No feature, formula or source mentions gender."""
    assert "gender" not in json.dumps([dataclasses.asdict(feature) for feature in CATALOGUE]).lower()


def test_sources_are_canonical_columns() -> None:
    """A feature has sources, each a column of the canonical tables and named once."""
    assert not failing(lambda feature: feature.sources)
    assert not failing(lambda feature: set(feature.sources) <= EVENT_COLUMNS | PROFILE_COLUMNS)
    assert not failing(lambda feature: len(set(feature.sources)) == len(feature.sources))


def test_age_document_phone_and_locale_are_left_out_by_default() -> None:
    """No default feature uses the birth date, document, phone or locale; the residence only gives the local time."""
    default = [feature for feature in CATALOGUE if feature.default]
    assert not [feature.name for feature in default if SENSITIVE & set(feature.sources)]
    assert {feature.group for feature in default if "country_of_residence" in feature.sources} == {"rhythm"}


def test_default_names_follow_the_catalogue() -> None:
    """The default features are in the catalogue's order."""
    assert default_names() == tuple(feature.name for feature in CATALOGUE if feature.default)
    assert 0 < len(default_names()) < len(NAMES)


def test_hash_of_the_first_wordings_is_unchanged() -> None:
    """Bundles that name no version of their wordings still fit this catalogue."""
    assert catalogue_hash(FIRST) == "9937994fa793d0c2e013f3d4a5407af37310c946c20f2fe07022cf9b1bbb8090"


def test_each_former_text_belongs_to_a_current_one() -> None:
    """Every former text is kept for a formula or a term of the catalogue, and differs from it."""
    current = {feature.formula for feature in CATALOGUE} | set(TERMS) | set(TERMS.values())
    assert {text for text, former in former_texts().items() if text not in current or text == former} == set()


def test_a_reworded_formula_keeps_the_hash_only_with_its_former_text(monkeypatch: Any) -> None:
    """A formula with a former text has the hash of the former text; without the former text, the hash changes."""
    before = catalogue_hash()
    monkeypatch.setattr(catalogue, "former_texts", dict)
    assert catalogue_hash() != before
    former = former_texts()
    restored = tuple(dataclasses.replace(each, formula=former.get(each.formula, each.formula)) for each in CATALOGUE)
    monkeypatch.setattr(catalogue, "CATALOGUE", restored)
    terms = {former.get(term, term): former.get(meaning, meaning) for term, meaning in TERMS.items()}
    monkeypatch.setattr(catalogue, "TERMS", terms)
    assert catalogue_hash() == before


def _changed_in(field: str) -> tuple[Feature, ...]:
    """Return the catalogue with another value in a field of its first feature."""
    value = getattr(CATALOGUE[0], field)
    other = dataclasses.replace(CATALOGUE[0], **{field: value + "x" if isinstance(value, str) else value - 1})
    return other, *CATALOGUE[1:]


@pytest.mark.parametrize("version", WORDINGS)
@pytest.mark.parametrize("field", ["name", "code", "group", "formula", "direction", "high", "tips_off"])
def test_a_changed_definition_changes_every_hash(field: str, version: int, monkeypatch: Any) -> None:
    """A changed definition changes the hash of every version of the wordings."""
    before = catalogue_hash(version)
    monkeypatch.setattr(catalogue, "CATALOGUE", _changed_in(field))
    assert catalogue_hash(version) != before


@pytest.mark.parametrize("field", ["missing", "investigator", "customer", "meaning", "none", "noun"])
def test_a_changed_text_changes_only_the_current_hash(field: str, monkeypatch: Any) -> None:
    """A changed text changes the hash of the current wordings only, so it needs a new version."""
    before = [catalogue_hash(version) for version in (FIRST, CURRENT)]
    monkeypatch.setattr(catalogue, "CATALOGUE", _changed_in(field))
    after = [catalogue_hash(version) for version in (FIRST, CURRENT)]
    assert (after[0], after[1] != before[1]) == (before[0], True)


@pytest.mark.parametrize("version", WORDINGS)
def test_the_hash_covers_order_look_back_and_terms(version: int, monkeypatch: Any) -> None:
    """The order of features, the look-back, the greatest number and the terms are part of the hash."""
    hashes = [catalogue_hash(version)]
    for name, value in (("CATALOGUE", CATALOGUE[::-1]), ("LOOKBACK_DAYS", 90), ("MAX_TRANSACTIONS", 50), ("TERMS", {})):
        with monkeypatch.context() as change:
            change.setattr(catalogue, name, value)
            hashes.append(catalogue_hash(version))
    assert len(set(hashes)) == 5


def test_values_are_plausible_on_synthetic_tables(table: FeatureTable) -> None:
    """Every value of every synthetic customer is within the plausible range."""
    odd = [
        (feature.name, np.nanmin(column), np.nanmax(column))
        for feature, column in zip(CATALOGUE, table.values.T, strict=True)
        if not np.isnan(column).all() and not feature.low <= np.nanmin(column) <= np.nanmax(column) <= feature.high
    ]
    assert not odd


def test_every_feature_varies_on_synthetic_tables(table: FeatureTable) -> None:
    """Every feature has several values, except two flags that are constant in these tables."""
    constant = {name for name, column in zip(NAMES, table.values.T, strict=True) if len(np.unique(column)) < 2}
    assert constant <= {"politically_exposed", "adverse_media"}


@pytest.mark.parametrize("unit", ["yes/no", "count"])
def test_counts_and_flags_are_whole(unit: str, table: FeatureTable) -> None:
    """A count is a whole number, and a yes/no is 0 or 1."""
    names = [feature.name for feature in CATALOGUE if feature.unit == unit]
    values = table.select(names).values
    known = values[~np.isnan(values)]
    assert (known == np.floor(known)).all()
    assert unit == "count" or set(np.unique(known)) == {0, 1}


def test_values_are_missing_as_declared(table: FeatureTable) -> None:
    """A feature that is never missing isn't; one that needs a transaction is missing only without transactions."""
    missing = dict(zip(NAMES, np.isnan(table.values).T, strict=True))
    nobody = table.values[:, NAMES.index("transactions")] == 0
    assert nobody.any()
    assert not failing(lambda feature: feature.missing != "never" or not missing[feature.name].any())
    assert not failing(lambda feature: feature.missing != NO_TRANSACTION or (missing[feature.name] == nobody).all())


def test_without_transactions_only_features_of_the_profile_have_values(features_of: Any) -> None:
    """A customer with a whole profile and no transaction has only the values of the profile."""
    known = {name for name, value in features_of([]).items() if not np.isnan(value)}
    profile = {feature.name for feature in CATALOGUE if set(feature.sources) <= PROFILE_COLUMNS}
    assert known == profile | {"transactions", "no_transactions"}
    assert features_of([])["transactions"] == 0
    assert features_of([])["no_transactions"] == 1


def test_without_data_only_features_that_are_never_missing_have_values(features_of: Any, profile: Any) -> None:
    """A customer with an empty profile has only the values that are never missing."""
    values = features_of([], **dict.fromkeys(profile))
    known = {name for name, value in values.items() if not np.isnan(value)}
    assert known == {feature.name for feature in CATALOGUE if feature.missing == "never"}
    assert values["profile_gaps"] == 5


def _changed(cohort: Any, column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Change one column in a way that keeps the rows' order: blank it, or make every amount greater."""
    if column in PROFILE_COLUMNS:
        empty = pl.lit(None, cohort.customers.schema[column]).alias(column)
        return cohort.customers.with_columns(empty), cohort.events
    change = pl.col(column) * 1.5 + 1 if column == "amount" else pl.lit(None, cohort.events.schema[column])
    return cohort.customers, cohort.events.with_columns(change.alias(column))


@pytest.mark.parametrize("column", [*sorted(NAMED & PROFILE_COLUMNS), "amount", "completed_at"])
def test_a_feature_depends_only_on_its_sources(column: str, cohort: Any, table: FeatureTable) -> None:
    """Changing one column changes the features that name it as their source, and no bit of any other."""
    values = feature_table(*_changed(cohort, column)).values
    moved = {
        name
        for name, one, other in zip(NAMES, table.values.T, values.T, strict=True)
        if np.ascontiguousarray(one).tobytes() != np.ascontiguousarray(other).tobytes()
    }
    assert moved == {feature.name for feature in CATALOGUE if column in feature.sources}


def test_columns_that_no_feature_names_may_be_absent(cohort: Any, table: FeatureTable) -> None:
    """Tables without the columns that no feature names, gender among them, give the same values."""
    unnamed = (PROFILE_COLUMNS | EVENT_COLUMNS) - NAMED - {"customer_id"}
    assert {"gender", "currency"} <= unnamed
    values = feature_table(
        cohort.customers.drop(unnamed, strict=False), cohort.events.drop(unnamed, strict=False)
    ).values
    assert values.tobytes() == table.values.tobytes()
