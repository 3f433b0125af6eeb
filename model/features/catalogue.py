"""The catalogue: all features in the kernel's order, and the hash that identifies the catalogue in a bundle."""

from __future__ import annotations

import hashlib
import json
from collections import namedtuple
from typing import Any, Final

from customer_risk.model.features.definitions import (
    activity,
    channels,
    flow,
    habits,
    money,
    outcomes,
    profile,
    velocity,
)
from customer_risk.model.features.feature import Feature
from customer_risk.model.features.former_texts import former_texts
from customer_risk.model.features.terms import TERMS
from customer_risk.model.features.wordings import CURRENT, WORDINGS

# The real tables span 79 days. Half a year includes seasonal habits and excludes older ones.
LOOKBACK_DAYS: Final = 180
MAX_TRANSACTIONS: Final = 10_000  # 2.5 times the half-year of a customer with 20 a day; bounds the work of one request

CATALOGUE: Final[tuple[Feature, ...]] = (
    *profile.FEATURES,
    *activity.FEATURES,
    *money.FEATURES,
    *outcomes.FEATURES,
    *channels.FEATURES,
    *flow.FEATURES,
    *velocity.FEATURES,
    *habits.FEATURES,
)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in CATALOGUE)
BY_NAME: Final[dict[str, Feature]] = {feature.name: feature for feature in CATALOGUE}

At = namedtuple("At", NAMES)  # type: ignore[misc]  # noqa: PYI024  typed fields would repeat the catalogue
AT: Final[Any] = At(*range(len(NAMES)))  # each feature's column, by name: constants for the compiler


def catalogue_hash(wordings: int = CURRENT) -> str:
    """Return the SHA-256 of this catalogue's content with the texts of the version `wordings`.

    A bundle keeps the hash, so that it is scored only with the catalogue that it was trained with.
    """
    content = WORDINGS[wordings].content
    terms = {_former(term): _former(meaning) for term, meaning in TERMS.items()}
    features = [content(feature) | {"formula": _former(feature.formula)} for feature in CATALOGUE]
    said = json.dumps(
        [LOOKBACK_DAYS, MAX_TRANSACTIONS, terms, features],
        sort_keys=True,
        allow_nan=False,
    )
    return hashlib.sha256(said.encode()).hexdigest()


def _former(text: str) -> str:
    return former_texts().get(text, text)


def default_names() -> tuple[str, ...]:
    """Return the names of the features that a model uses by default."""
    return tuple(feature.name for feature in CATALOGUE if feature.default)
