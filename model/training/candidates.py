"""The features that training may use: the catalogue's defaults, changed by the configuration and the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.errors import ConfigError, FeatureError
from customer_risk.model.features.catalogue import BY_NAME, default_names
from customer_risk.model.features.kernel.compute import Settings
from customer_risk.model.features.vocabulary import TYPES

if TYPE_CHECKING:
    from collections.abc import Collection

    from customer_risk.model.config import Training


def candidates(settings: Training, absent: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features to train on, and those left out because the labelled tables lack a source column.

    Raises FeatureError for a name that isn't in the catalogue, or if no feature is left.
    """
    unknown = sorted({*settings.optional_features, *settings.left_out_features} - BY_NAME.keys())
    if unknown:
        raise FeatureError(
            f"training.optional_features or training.left_out_features has unknown features: {', '.join(unknown)}.",
            remedy="docs/reference/features.md lists every feature.",
        )
    wanted = {*default_names(), *settings.optional_features} - {*settings.left_out_features}
    lacking = {name for name in wanted if set(BY_NAME[name].sources) & set(absent)}
    refused = sorted(lacking & set(settings.optional_features))
    if refused:
        raise FeatureError(
            f"training.optional_features has {', '.join(refused)}, but the labelled tables lack "
            f"{', '.join(sorted({source for name in refused for source in BY_NAME[name].sources} & set(absent)))}.",
            remedy="Remove it from training.optional_features, or map the column.",
        )
    kept = tuple(name for name in BY_NAME if name in wanted - lacking)
    if not kept:
        raise FeatureError("No feature is left to train on.", remedy="Shorten training.left_out_features.")
    return kept, tuple(name for name in BY_NAME if name in lacking)


def kernel_settings(excluded_types: Collection[str]) -> Settings:
    """Return the kernel's settings for training. Raises ConfigError for an unknown type."""
    unknown = sorted(set(excluded_types) - {*TYPES, "OTHER"})
    if unknown:
        raise ConfigError(
            f"training.excluded_types has unknown types of transactions: {', '.join(unknown)}.",
            remedy=f"The types are {', '.join(TYPES)}, and OTHER.",
        )
    return Settings(excluded_types=tuple(sorted(excluded_types)))
