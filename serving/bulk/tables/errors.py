"""What ends a run, beyond what others raise, and what a message calls the setting that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from customer_risk.model.errors import ConfigError, CustomerRiskError

# Reasons by which BigQuery says that the same may be done later; some of them come as 403.
PASSING: Final = frozenset(
    (
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "rateLimitExceeded",
        "jobRateLimitExceeded",
    )
)
_SINKS: Final = "record.ship.sinks: "


class UnusableInput(CustomerRiskError):
    """An input that can't be scored as a whole: a column is missing, there are too few rows, it has changed."""


def passes(error: Any) -> bool:
    """Tell whether an error of Google's says that the same may be done later."""
    return any(each.get("reason") in PASSING for each in error.errors)


class ResultsAltered(CustomerRiskError):
    """Results that aren't what was stored: somebody has removed some, or added to them."""

    def __init__(self, where: str, name: str, found: int, stored: int, of: str) -> None:
        super().__init__(
            f"{where} holds {found} {of} of {name}, and {stored} were stored.",
            remedy="Remove what there is of the run, and do it again under another name.",
        )


@contextmanager
def speaking_of(setting: str) -> Iterator[None]:
    """Have what the record's stores say of their settings say it of this one."""
    try:
        yield
    except ConfigError as error:
        if not error.problem.startswith(_SINKS):
            raise
        raise ConfigError(f"{setting}: {error.problem.removeprefix(_SINKS)}", remedy=error.remedy) from error
