"""Which features may be learned from."""

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


def test_defaults_are_the_catalogues(settings):
    """Without further wishes, the catalogue's defaults are taken, in its order."""
    assert candidates(settings, ())[0] == default_names()


def test_optional_features_are_added_and_others_left_out(settings):
    """A feature that is off by default can be had, one that is on can be left out."""
    wanted = next(feature.name for feature in BY_NAME.values() if not feature.default)
    unwanted = default_names()[0]
    kept, _ = candidates(
        msgspec.structs.replace(settings, optional_features=(wanted,), left_out_features=(unwanted,)), ()
    )
    assert wanted in kept
    assert unwanted not in kept


def test_features_without_their_source_are_left_out_and_named(settings):
    """Where the labelled tables lack a column, default features that rest on it are left out, by name."""
    kept, lacking = candidates(settings, ("has_biometrics",))
    assert lacking
    assert all("has_biometrics" in BY_NAME[name].sources for name in lacking)
    assert not set(kept) & set(lacking)


def test_a_wanted_feature_without_its_source_is_refused(settings):
    """A feature that was asked for by name is refused, with the column that it lacks."""
    wished = msgspec.structs.replace(settings, optional_features=("age_years",))
    with pytest.raises(FeatureError, match=r"age_years.*date_of_birth"):
        candidates(wished, ("date_of_birth",))


def test_unknown_features_are_refused(settings):
    """A name that isn't in the catalogue is refused."""
    with pytest.raises(FeatureError, match="moon_phase"):
        candidates(msgspec.structs.replace(settings, left_out_features=("moon_phase",)), ())


def test_nothing_left_is_refused(settings):
    """Leaving everything out is refused."""
    with pytest.raises(FeatureError, match="No feature is left"):
        candidates(msgspec.structs.replace(settings, left_out_features=default_names()), ())


def test_unknown_types_are_refused():
    """A type that no transaction has is refused, with the types there are."""
    with pytest.raises(ConfigError, match=r"MANUALS.*CARDS"):
        kernel_settings(["MANUALS"])


def test_excluded_types_reach_the_kernel():
    """The kernel leaves out what the configuration excludes."""
    assert kernel_settings(["PAYMENTS", "MANUAL"]).excluded_types == ("MANUAL", "PAYMENTS")
