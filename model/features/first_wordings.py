"""Version 1 of the texts of reasons, frozen in first_wordings.json.

Bundles and records that name no version of their wordings have these texts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from customer_risk.model.features.feature import Feature
from customer_risk.model.features.values import Unit
from customer_risk.model.files import parse_json, read_file

_LATER: Final = ("meaning", "none", "noun")  # fields that version 1 didn't have


@functools.cache
def texts() -> dict[str, tuple[str, str, str]]:
    """Return, by a feature's name, why a value is missing, the investigator's sentence and the customer's text."""
    return parse_json(read_file(Path(__file__).with_suffix(".json")), dict[str, tuple[str, str, str]])


@dataclass(frozen=True, slots=True)
class FirstFeature(Feature):
    """A feature with the texts of version 1."""

    def describe(self, value: float) -> str:
        """Return the sentence of version 1 about a value (NaN where missing)."""
        if math.isnan(value):
            return f"{self.name} has no value: {self.missing}"
        return self.investigator.replace("{value}", formatted(value, self.unit))


def worded(feature: Feature) -> Feature:
    """Return a feature with the texts of version 1; one that version 1 didn't have keeps its own."""
    if feature.name not in texts():
        return feature
    missing, investigator, customer = texts()[feature.name]
    known = {field.name: getattr(feature, field.name) for field in fields(Feature)}
    return FirstFeature(**known | {"missing": missing, "investigator": investigator, "customer": customer})


def content(feature: Feature) -> dict[str, Any]:
    """Return what the catalogue's hash said of a feature in version 1."""
    return {name: value for name, value in asdict(worded(feature)).items() if name not in _LATER}


def formatted(value: float, unit: Unit) -> str:
    """Return a value with its unit, as version 1 writes it; NaN is 'not known'."""
    if math.isnan(value):
        return "not known"
    if unit == "yes/no":
        return "yes" if value else "no"
    return _WRITERS[unit](value)


_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    "count": "{:,.0f}".format,
    "EUR": "EUR {:,.2f}".format,
    "share": "{:.0%}".format,
    "hours": "{:,.1f} hours".format,
    "days": "{:,.1f} days".format,
    "years": "{:,.0f} years".format,
    "ratio": "{:,.2f}".format,
    "nats": "{:.2f} nats".format,
}
