"""Every error that this project raises on purpose.

CustomerRiskError
├── ConfigError          a configuration that says something impossible or unknown
├── TableError           tables that can't be used
│   ├── TableMissing         a file isn't there or can't be read
│   ├── ColumnMismatch       columns missing, or of another type
│   ├── EmptyTable           no row, or too few to work with
│   ├── LabelError           one class only, or an unknown label value
│   └── RuleFailure          more failing rows than the configuration allows
├── FeatureError         an unknown feature, or one whose source is absent where scoring happens
├── LeakError            a feature or a split that would see the outcome
├── BundleError          a bundle that can't be trusted
│   ├── BundleAltered        a file's hash differs from the manifest's
│   ├── BundleVersion        made for another schema version
│   └── GoldenMismatch       the golden requests are answered differently here
├── RegistryError        an alias or a hash that the registry doesn't hold
├── SignOffError         an unsigned, altered or impossible line in a filled list
└── InputError           a request or profile with bad fields, each named by a JSON pointer

Each says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass


class CustomerRiskError(Exception):
    """The root. `problem` says what is wrong and where, `details` lists the cases, `remedy` says what to do next."""

    def __init__(self, problem: str, *, remedy: str, details: tuple[str, ...] = ()) -> None:
        end = "\n " if details else " "
        super().__init__("\n  ".join([problem, *details]) + end + remedy)
        self.problem = problem
        self.remedy = remedy
        self.details = details


class ConfigError(CustomerRiskError):
    """A configuration that says something impossible or unknown."""


class TableError(CustomerRiskError):
    """Tables that can't be used."""


class TableMissing(TableError):
    """A file isn't there or can't be read."""


class ColumnMismatch(TableError):
    """Columns missing, or of another type."""


class EmptyTable(TableError):
    """No row, or too few to work with."""


class LabelError(TableError):
    """One class only, or an unknown label value."""


class RuleFailure(TableError):
    """More failing rows than the configuration allows."""


class FeatureError(CustomerRiskError):
    """An unknown feature, or one whose source is absent where scoring happens."""


class LeakError(CustomerRiskError):
    """A feature or a split that would see the outcome."""


class BundleError(CustomerRiskError):
    """A bundle that can't be trusted."""


class BundleAltered(BundleError):
    """A file's hash differs from the manifest's."""


class BundleVersion(BundleError):
    """Made for another schema version."""


class GoldenMismatch(BundleError):
    """The golden requests are answered differently here."""


class RegistryError(CustomerRiskError):
    """An alias or a hash that the registry doesn't hold."""


class SignOffError(CustomerRiskError):
    """An unsigned, altered or impossible line in a filled list."""


@dataclass(frozen=True, slots=True)
class BadField:
    """One field that can't be used: `pointer` is an RFC 6901 JSON pointer into the request."""

    pointer: str
    detail: str


class InputError(CustomerRiskError):
    """A request with bad fields; `fields` names every one of them at once."""

    def __init__(self, fields: tuple[BadField, ...]) -> None:
        listed = "; ".join(f"{field.pointer or '/'}: {field.detail}" for field in fields)
        super().__init__(f"The input can't be scored: {listed}.", remedy="Correct the named fields and send it again.")
        self.fields = fields
