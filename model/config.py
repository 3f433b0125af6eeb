"""The configuration: frozen, typed, read once. `defaults.yaml` in this folder has the defaults and their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import yaml
from msgspec import Meta

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import one_line
from customer_risk.model.files import parse_yaml, read_text

Count = Annotated[int, Meta(ge=1)]
Folds = Annotated[int, Meta(ge=2)]
Price = Annotated[float, Meta(gt=0)]
Stated = Annotated[str, Meta(min_length=1, max_length=200)]
Share = Annotated[float, Meta(gt=0, lt=1)]
_REMEDY: Final = "model/defaults.yaml shows every field with its meaning."


class Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of `customer-risk check`."""

    max_failing_share: float
    label_rate: tuple[float, float]


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model is chosen and fitted."""

    trials: Count
    seconds: Annotated[float, Meta(gt=0)] | None
    members: Count
    inner_folds: Folds
    resamples: Count
    excluded_types: tuple[str, ...]
    optional_features: tuple[str, ...]
    left_out_features: tuple[str, ...]


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the training procedure is evaluated."""

    folds: Folds
    repeats: Count
    confidence: Share
    bootstraps: Annotated[int, Meta(ge=20)]


class Leaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of the leak guard: `allow` maps a feature above the limit to the reason why it is not a leak."""

    max_single_feature_auc: Annotated[float, Meta(ge=0.5, le=1)]
    allow: dict[str, str]


class Portfolio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customers to score; if `risk_rate` is None, their risk rate is that of the labelled sample."""

    risk_rate: Share | None


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loss matrix in EUR per customer, the capacity of the reviewers, and how cut-offs follow from both."""

    missed_risky: Price
    wrongly_flagged: Price
    review: Price
    review_catches: Share
    reviews_per_week: Annotated[int, Meta(ge=0)]
    customers_per_week: Price | None
    strategy: Literal["segments", "least_cost", "max_f1", "recall"]
    least_recall: Share


class Corroboration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The transaction patterns that a customer in the segment High must show before off-boarding is proposed.

    `rules` maps a pattern's code (model.patterns.definitions) to its thresholds; a pattern that isn't named is off. A
    file that names any pattern replaces the whole set. Training freezes the rule in the bundle.
    """

    rules: dict[str, dict[str, float]]
    minimum: int


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is responsible for the report, and for whom it is written; a field that is None is shown as "not stated"."""

    organisation: Stated | None
    author: Stated | None
    audience: Stated | None
    costs_confirmed_by: Stated | None


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenID Connect issuer whose ID tokens prove who signs or approves a list.

    `jwks` is an https URL or a file's path, `name_claim` the claim with the person's name. If `required`, a name
    without a token is refused.
    """

    issuer: str
    audience: str
    jwks: str
    name_claim: str = "name"
    required: bool = False


class SignOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may decide on the off-boarding list. A scoring run keeps these rules in run.json, for its sign-offs.

    `signers` and `approvers` are names or, for people with a token, its subject. If one is empty, every person may sign
    or approve. `second_approver` requires that another person approves each decision.
    """

    second_approver: bool = False
    signers: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    token: Token | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All sections of the configuration."""

    seed: Annotated[int, Meta(ge=0)]
    threads: Count
    checks: Checks
    training: Training
    evaluation: Evaluation
    leaks: Leaks
    portfolio: Portfolio
    costs: Costs
    corroboration: Corroboration
    report: Report
    sign_off: SignOff


ConfigSource: TypeAlias = Config | dict[str, Any] | str | Path | None


def load_config(source: ConfigSource = None) -> Config:
    """Return the defaults, with the values that a YAML file or nested dicts replace.

    A loaded configuration is returned unchanged. Raises ConfigError naming the field that is unknown or of the wrong
    type.
    """
    if isinstance(source, Config):
        return source
    values = _overlay(_read(Path(__file__).with_name("defaults.yaml")), _read(source))
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name_of(source)}: {error}.", remedy=_REMEDY) from error


def names_section(source: ConfigSource, section: str) -> bool:
    """Whether a configuration file or dict has a section, or the source is a whole configuration.

    Raises ConfigError if the file can't be read.
    """
    return isinstance(source, Config) or section in _read(source)


def name_of(source: ConfigSource) -> str:
    """Return the name of a configuration for messages: the path if it is a file."""
    return str(source) if isinstance(source, str | Path) else "the configuration"


def _read(source: dict[str, Any] | str | Path | None) -> dict[str, Any]:
    if source is None or isinstance(source, dict):
        return source or {}
    try:
        values = parse_yaml(read_text(Path(source))) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{source} can't be read as YAML: {one_line(error)}.", remedy=f"Name a readable YAML file; {_REMEDY}"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{source} has no sections.", remedy=f"Write `section:` and its fields; {_REMEDY}")
    return values


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Replace parts of nested dicts. `allow` and `rules` are replaced as a whole, all others are merged."""
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        whole = key in {"allow", "rules"}
        merged[key] = _overlay(old, value) if isinstance(old, dict) and isinstance(value, dict) and not whole else value
    return merged
