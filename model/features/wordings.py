"""The versions of the texts of reasons: a bundle and a record keep the texts of their own version.

The texts are those of the features, with the values filled into them, and the values in the texts of fallback rules. A
changed text needs a new version. The texts of the version before are then frozen in a module such as first_wordings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from customer_risk.model.features import first_wordings, values
from customer_risk.model.features.feature import Feature
from customer_risk.model.features.values import Unit

FIRST: Final = 1  # the texts of bundles and records that name no version
CURRENT: Final = 2  # what training writes


@dataclass(frozen=True, slots=True)
class Wordings:
    """One version of the texts.

    `worded` returns a feature of the catalogue with this version's texts. `content` returns what the catalogue's hash
    covers of the feature. `formatted` returns a value with its unit. `repeats` is true if the customer texts of one
    answer may repeat.
    """

    worded: Callable[[Feature], Feature]
    content: Callable[[Feature], dict[str, Any]]
    formatted: Callable[[float, Unit], str]
    repeats: bool


WORDINGS: Final[dict[int, Wordings]] = {
    FIRST: Wordings(first_wordings.worded, first_wordings.content, first_wordings.formatted, repeats=True),
    CURRENT: Wordings(lambda feature: feature, asdict, values.formatted, repeats=False),
}
