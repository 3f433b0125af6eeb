"""The errors of this project.

CustomerRiskError
├── ConfigError          a configuration with an unknown or impossible value
├── TableError           tables that can't be used
│   ├── TableMissing         a file that doesn't exist or can't be read
│   ├── ColumnMismatch       columns missing, or of another type
│   ├── EmptyTable           no rows, or too few
│   ├── LabelError           one class only, or an unknown label value
│   └── RuleFailure          more failing rows than the configuration allows
├── FeatureError         an unknown feature, or a feature whose source is absent
├── LeakError            a feature or a split that reveals the outcome
├── BundleError          a bundle that can't be trusted
│   ├── BundleAltered        a file's hash differs from the manifest's
│   ├── BundleVersion        made for another schema version
│   └── GoldenMismatch       the golden requests have other answers on this machine
├── RegistryError        an unknown alias or hash, or a registry that can't be used
├── SignOffError         an unsigned, altered or impossible line in a filled list
└── InputError           a request or profile with bad fields, each named by a JSON pointer

Each message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class CustomerRiskError(Exception):
    """The base class. `problem` says what is wrong and where, `details` has the cases, `remedy` what to do next."""

    def __init__(self, problem: str, *, remedy: str, details: tuple[str, ...] = ()) -> None:
        end = "\n " if details else " "
        super().__init__("\n  ".join([problem, *details]) + end + remedy)
        self.problem = problem
        self.remedy = remedy
        self.details = details

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        # Exceptions are pickled as a call with `args`, which has the whole message and no remedy.
        return Exception.__new__, (type(self), *self.args), self.__dict__


class ConfigError(CustomerRiskError):
    """A configuration with an unknown or impossible value."""


class TableError(CustomerRiskError):
    """Tables that can't be used."""


class TableMissing(TableError):
    """A file doesn't exist or can't be read."""


class ColumnMismatch(TableError):
    """Columns missing, or of another type."""


class EmptyTable(TableError):
    """No rows, or too few."""


class LabelError(TableError):
    """One class only, or an unknown label value."""


class RuleFailure(TableError):
    """More failing rows than the configuration allows."""


class FeatureError(CustomerRiskError):
    """An unknown feature, or a feature whose source is absent."""


class LeakError(CustomerRiskError):
    """A feature or a split that reveals the outcome."""


class BundleError(CustomerRiskError):
    """A bundle that can't be trusted."""


class BundleAltered(BundleError):
    """A file's hash differs from the manifest's."""


class BundleVersion(BundleError):
    """The bundle was made for another schema version."""


class GoldenMismatch(BundleError):
    """The golden requests have other answers on this machine."""


class RegistryError(CustomerRiskError):
    """An unknown alias or hash, or a registry that can't be used."""


class SignOffError(CustomerRiskError):
    """An unsigned, altered or impossible line in a filled list."""


@dataclass(frozen=True, slots=True)
class BadField:
    """One field that can't be used: `pointer` is an RFC 6901 JSON pointer into the request."""

    pointer: str
    detail: str


class InputError(CustomerRiskError):
    """A request with bad fields; `fields` has all of them."""

    def __init__(self, fields: tuple[BadField, ...]) -> None:
        listed = "; ".join(f"{field.pointer or '/'}: {field.detail}" for field in fields)
        super().__init__(f"The input can't be scored: {listed}.", remedy="Correct the named fields and send it again.")
        self.fields = fields
