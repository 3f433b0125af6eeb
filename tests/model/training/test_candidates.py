"""The features that training may use."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.config import Training, load_config
from customer_risk.model.errors import ConfigError, FeatureError
from customer_risk.model.features.catalogue import BY_NAME, default_names
from customer_risk.model.training.candidates import candidates, kernel_settings


@pytest.fixture
def settings() -> Training:
    """The default section."""
    return load_config().training


def test_by_default_the_catalogues_defaults_are_used(settings):
    """By default the catalogue's defaults are used, in its order."""
    assert candidates(settings, ())[0] == default_names()


def test_optional_features_are_added_and_others_left_out(settings):
    """A feature that is off by default can be added; one that is on can be left out."""
    wanted = next(feature.name for feature in BY_NAME.values() if not feature.default)
    unwanted = default_names()[0]
    kept, _ = candidates(
        msgspec.structs.replace(settings, optional_features=(wanted,), left_out_features=(unwanted,)), ()
    )
    assert wanted in kept
    assert unwanted not in kept


def test_features_without_their_source_are_left_out_and_named(settings):
    """Default features whose source column is missing are left out and returned."""
    kept, lacking = candidates(settings, ("has_biometrics",))
    assert lacking
    assert all("has_biometrics" in BY_NAME[name].sources for name in lacking)
    assert not set(kept) & set(lacking)


@pytest.mark.parametrize(
    ("changes", "absent", "message"),
    [
        ({"optional_features": ("age_years",)}, ("date_of_birth",), r"age_years.*date_of_birth"),
        ({"left_out_features": ("moon_phase",)}, (), "moon_phase"),
        ({"left_out_features": default_names()}, (), "No feature is left"),
    ],
    ids=["without its source column", "unknown", "all left out"],
)
def test_invalid_features_are_refused(settings, changes, absent, message):
    """An optional feature without its source column, an unknown feature and no feature at all are refused."""
    with pytest.raises(FeatureError, match=message):
        candidates(msgspec.structs.replace(settings, **changes), absent)


def test_unknown_types_are_refused():
    """An unknown type of transactions is refused with the known types."""
    with pytest.raises(ConfigError, match=r"MANUALS.*CARDS"):
        kernel_settings(["MANUALS"])


def test_excluded_types_reach_the_kernel():
    """The kernel's settings have the excluded types."""
    assert kernel_settings(["PAYMENTS", "MANUAL"]).excluded_types == ("MANUAL", "PAYMENTS")
