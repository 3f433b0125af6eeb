"""The catalogue: consistent in itself, and true of what the kernel computes."""

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
from customer_risk.model.features.frame import FeatureTable, feature_table
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
    """Name the features for which a condition doesn't hold."""
    return [feature.name for feature in CATALOGUE if not holds(feature)]


def test_names_and_codes_are_unique() -> None:
    """No two features share a name or a reason code."""
    assert len(set(NAMES)) == len({feature.code for feature in CATALOGUE}) == len(CATALOGUE) == len(BY_NAME)


def test_names_are_identifiers() -> None:
    """A name is lower case and fit for a column and a JSON key; its code is the same in capitals."""
    assert not failing(lambda feature: re.fullmatch(r"[a-z][a-z0-9_]*", feature.name))
    assert not failing(lambda feature: feature.code == feature.name.upper())


def test_bounds_are_in_order() -> None:
    """What is plausible is a range, and a share or a yes/no keeps to 0..1."""
    assert not failing(lambda feature: feature.low < feature.high)
    assert not failing(lambda feature: feature.unit not in {"share", "yes/no"} or (feature.low, feature.high) == (0, 1))


@pytest.mark.parametrize("field", ["group", "missing", "formula", "meaning", "investigator", "customer"])
def test_everything_is_said(field: str) -> None:
    """No text is empty or carries stray blanks."""
    assert not failing(lambda feature: getattr(feature, field))
    assert not failing(lambda feature: getattr(feature, field) == " ".join(getattr(feature, field).split()))


def test_investigators_read_the_value() -> None:
    """The investigator's sentence has the value once and no other field; a yes/no feature has two sentences."""
    fields = {
        feature.name: [field for _, field, _, _ in string.Formatter().parse(feature.investigator) if field]
        for feature in CATALOGUE
    }
    assert not failing(lambda feature: fields[feature.name] == ([] if feature.unit == "yes/no" else ["value"]))
    assert not failing(lambda feature: feature.unit != "yes/no" or (feature.none and feature.investigator))
    assert not failing(lambda feature: "{" not in feature.none)


def test_customers_never_read_a_value() -> None:
    """What a customer may read is a whole sentence without a value to fill in."""
    assert not failing(lambda feature: feature.customer.endswith(".") and "{" not in feature.customer)


@pytest.mark.parametrize("version", WORDINGS)
def test_wording_that_could_tip_off_is_neutral(version: int) -> None:
    """Where the mere mention could tip off, the customer's wording names nothing that was noticed."""
    worded = WORDINGS[version].worded
    assert not failing(lambda feature: not (feature.tips_off and TELLING.search(worded(feature).customer)))


def test_what_the_account_does_tips_off() -> None:
    """Only details of the profile may be named to a customer; what the account does may not."""
    assert not failing(lambda feature: feature.tips_off or set(feature.sources) <= PROFILE_COLUMNS)


def test_gender_is_nowhere() -> None:
    """No feature, formula or source speaks of gender."""
    assert "gender" not in json.dumps([dataclasses.asdict(feature) for feature in CATALOGUE]).lower()


def test_sources_are_canonical_columns() -> None:
    """A feature has sources, each a column of the canonical tables and named once."""
    assert not failing(lambda feature: feature.sources)
    assert not failing(lambda feature: set(feature.sources) <= EVENT_COLUMNS | PROFILE_COLUMNS)
    assert not failing(lambda feature: len(set(feature.sources)) == len(feature.sources))


def test_age_document_phone_and_locale_are_left_out_by_default() -> None:
    """A default feature rests on no birth date, document, phone or locale; the residence only tells the hour."""
    default = [feature for feature in CATALOGUE if feature.default]
    assert not [feature.name for feature in default if SENSITIVE & set(feature.sources)]
    assert {feature.group for feature in default if "country_of_residence" in feature.sources} == {"rhythm"}


def test_default_names_follow_the_catalogue() -> None:
    """The default features stand in the catalogue's order."""
    assert default_names() == tuple(feature.name for feature in CATALOGUE if feature.default)
    assert 0 < len(default_names()) < len(NAMES)


@pytest.mark.parametrize("version", WORDINGS)
def test_hash_stays(version: int) -> None:
    """The same catalogue has the same hash, of 64 hexadecimal digits."""
    assert catalogue_hash(version) == catalogue_hash(version)
    assert re.fullmatch(r"[0-9a-f]{64}", catalogue_hash(version))


def test_hash_of_the_first_wordings_is_that_of_the_bundles_that_have_them() -> None:
    """Bundles that name no version of their wordings still fit this catalogue."""
    assert catalogue_hash(FIRST) == "9937994fa793d0c2e013f3d4a5407af37310c946c20f2fe07022cf9b1bbb8090"


def _changed_in(field: str) -> tuple[Feature, ...]:
    """Return the catalogue with another value in a field of its first feature."""
    value = getattr(CATALOGUE[0], field)
    other = dataclasses.replace(CATALOGUE[0], **{field: value + "x" if isinstance(value, str) else value - 1})
    return other, *CATALOGUE[1:]


@pytest.mark.parametrize("version", WORDINGS)
@pytest.mark.parametrize("field", ["name", "code", "group", "formula", "direction", "high", "tips_off"])
def test_hash_tells_a_change_of_a_definition_whatever_the_wordings(field: str, version: int, monkeypatch: Any) -> None:
    """A changed definition changes the hash of every version of the wordings."""
    before = catalogue_hash(version)
    monkeypatch.setattr(catalogue, "CATALOGUE", _changed_in(field))
    assert catalogue_hash(version) != before


@pytest.mark.parametrize("field", ["missing", "investigator", "customer", "meaning", "none", "noun"])
def test_hash_tells_a_change_of_a_text_in_its_version_alone(field: str, monkeypatch: Any) -> None:
    """A changed text changes the hash of the current wordings only, so it needs a new version."""
    before = [catalogue_hash(version) for version in (FIRST, CURRENT)]
    monkeypatch.setattr(catalogue, "CATALOGUE", _changed_in(field))
    after = [catalogue_hash(version) for version in (FIRST, CURRENT)]
    assert (after[0], after[1] != before[1]) == (before[0], True)


@pytest.mark.parametrize("version", WORDINGS)
def test_hash_tells_order_look_back_and_terms(version: int, monkeypatch: Any) -> None:
    """The order of features, the look-back, the greatest number and the terms are part of the hash."""
    hashes = [catalogue_hash(version)]
    for name, value in (
        ("CATALOGUE", CATALOGUE[::-1]),
        ("LOOKBACK_DAYS", 90),
        ("MAX_TRANSACTIONS", 50),
        ("TERMS", {}),
    ):
        with monkeypatch.context() as change:
            change.setattr(catalogue, name, value)
            hashes.append(catalogue_hash(version))
    assert len(set(hashes)) == 5


def test_values_are_plausible_on_synthetic_tables(table: FeatureTable) -> None:
    """Every value of every synthetic customer lies within what the catalogue calls plausible."""
    odd = [
        (feature.name, np.nanmin(column), np.nanmax(column))
        for feature, column in zip(CATALOGUE, table.values.T, strict=True)
        if not np.isnan(column).all() and not feature.low <= np.nanmin(column) <= np.nanmax(column) <= feature.high
    ]
    assert not odd


def test_every_feature_says_something_on_synthetic_tables(table: FeatureTable) -> None:
    """But for constant columns, every feature takes several values."""
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
    """A feature that never misses doesn't; one that needs a transaction misses exactly where there is none."""
    missing = dict(zip(NAMES, np.isnan(table.values).T, strict=True))
    nobody = table.values[:, NAMES.index("transactions")] == 0
    assert nobody.any()
    assert not failing(lambda feature: feature.missing != "never" or not missing[feature.name].any())
    assert not failing(lambda feature: feature.missing != NO_TRANSACTION or (missing[feature.name] == nobody).all())


def test_without_transactions_only_the_profile_speaks(features_of: Any) -> None:
    """A customer with a whole profile and no transaction has values of the profile, and no others."""
    known = {name for name, value in features_of([]).items() if not np.isnan(value)}
    profile = {feature.name for feature in CATALOGUE if set(feature.sources) <= PROFILE_COLUMNS}
    assert known == profile | {"transactions", "no_transactions"}
    assert features_of([])["transactions"] == 0
    assert features_of([])["no_transactions"] == 1


def test_without_anything_all_is_missing_that_can_be(features_of: Any, profile: Any) -> None:
    """A customer of whom nothing is known has only the values that never miss."""
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
def test_a_feature_rests_on_the_sources_it_names(column: str, cohort: Any, table: FeatureTable) -> None:
    """Changing one column changes the features that name it as their source, and no other by a bit."""
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
