"""The versions of the texts of reasons."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any, get_args

import pytest

from customer_risk.model.features import first_wordings
from customer_risk.model.features.catalogue import BY_NAME, CATALOGUE, NAMES
from customer_risk.model.features.values import Unit
from customer_risk.model.features.wordings import CURRENT, FIRST, WORDINGS
from customer_risk.model.scoring.reasons import customer_text

DATA = Path(__file__).parents[2] / "data"


def test_the_texts_of_version_1_never_change() -> None:
    """The texts of version 1 are those of existing records and bundles."""
    said = hashlib.sha256(json.dumps(first_wordings.texts()).encode()).hexdigest()
    assert said == "1b136b8a24ad1144fa7ebd5e09b9d32207da7bfe9c0b68fabbf45572ba56c5a1"
    assert list(first_wordings.texts()) == [name for name in NAMES if name in first_wordings.texts()]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "yes/no", "yes"),
        (0, "yes/no", "no"),
        (0.973, "share", "97%"),
        (0, "share", "0%"),
        (1234.5, "EUR", "EUR 1,234.50"),
        (0, "EUR", "EUR 0.00"),
        (1200, "count", "1,200"),
        (2.25, "hours", "2.2 hours"),
        (0.1, "hours", "0.1 hours"),
        (3, "days", "3.0 days"),
        (41.7, "years", "42 years"),
        (1.5, "ratio", "1.50"),
        (0.693, "nats", "0.69 nats"),
        (math.nan, "EUR", "not known"),
    ],
)
def test_version_1_formats_values_as_before(value: float, unit: Unit, text: str) -> None:
    """The units, decimals and plurals of version 1 don't change."""
    assert WORDINGS[FIRST].formatted(value, unit) == text


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize("version", WORDINGS)
def test_every_version_writes_every_unit(version: int, unit: Unit) -> None:
    """Every unit has a way to write its values."""
    assert WORDINGS[version].formatted(1.0, unit)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("pass_24h_share", 0.9, "90% of the money that came in left again within 24 hours"),
        ("gap_median_hours", 0.1, "Half of the transactions followed within 0.1 hours of the one before"),
        ("transactions", 1, "The customer made 1 transactions"),
        ("no_biometrics", 1, "No biometric log-in is set up: yes"),
        ("in_sum", math.nan, "in_sum has no value: no transaction"),
    ],
)
def test_features_of_version_1_have_its_sentences(name: str, value: float, text: str) -> None:
    """A feature worded by version 1 has that version's sentences."""
    assert WORDINGS[FIRST].worded(BY_NAME[name]).describe(value) == text


def _reasons_of_bundles() -> list[tuple[str, dict[str, Any]]]:
    """Return the reasons in the golden rows of stored bundles that name no version, with the bundle's folder."""
    found = []
    for path in sorted(DATA.glob("version-*/bundle*/golden.json")):
        if "wordings" not in json.loads(path.with_name("manifest.json").read_text()):
            rows = json.loads(path.read_text())
            found += [(path.parent.parent.name, reason) for row in rows for reason in row["answer"]["reasons"]]
    return found


def test_stored_bundles_without_a_version_have_the_texts_of_version_1() -> None:
    """The golden answers of stored bundles keep their exact texts on every processor."""
    found = _reasons_of_bundles()
    assert {folder for folder, _ in found} >= {"version-1", "version-2"}
    for _, reason in found:
        feature = WORDINGS[FIRST].worded(BY_NAME[reason["feature"]])
        value = math.nan if reason["value"] is None else reason["value"]
        assert (feature.describe(value), customer_text(feature, value)) == (reason["investigator_text"], reason["text"])


def test_only_texts_differ_between_versions() -> None:
    """A feature worded by any version is the same feature: its computation and its bounds don't change."""
    texts = {"missing", "investigator", "customer"}
    for feature in CATALOGUE:
        first = dataclasses.asdict(WORDINGS[FIRST].worded(feature))
        differing = {name for name, value in dataclasses.asdict(feature).items() if first[name] != value}
        assert differing <= texts


def test_a_feature_that_version_1_lacks_keeps_its_own_texts() -> None:
    """A feature that is newer than the version has one wording only."""
    newer = dataclasses.replace(CATALOGUE[0], name="newer")
    assert WORDINGS[FIRST].worded(newer) is newer


def test_the_current_version_has_the_catalogues_texts() -> None:
    """Training writes the catalogue's texts."""
    assert max(WORDINGS) == CURRENT
    assert all(WORDINGS[CURRENT].worded(feature) is feature for feature in CATALOGUE)
