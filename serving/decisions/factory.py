"""Makes the service from its settings, for the server and for the jobs' process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service

if TYPE_CHECKING:
    from customer_risk.serving.decisions.fallback.ruleset import RuleSet
    from customer_risk.serving.decisions.fallback.settings import RuleSettings

_TOO_MUCH: Final = "propose_off_boarding"


def create_service(model_name: str, rules: RuleSettings) -> Service:
    """Return a service without a bundle; raises ConfigError for rules that can't be used."""
    fallback = RuleFallback(_load(rules.file), rules.name) if rules.enabled else None
    return Service(model_name, fallback=fallback, without_bundle=rules.without_bundle)


def _load(file: str | None) -> RuleSet:
    """Return the rules; raises ConfigError if they can propose off-boarding, which needs patterns: rules find none."""
    rules = load_rules(Path(file) if file else None)
    if rules.most == _TOO_MUCH:
        raise ConfigError(
            f"The rules in {file} can't be used: most is {_TOO_MUCH}, but rules find no transaction patterns, and "
            "off-boarding is proposed only for customers with patterns.",
            remedy="Write `most: review` in the file. `customer-risk audit replay --rules` still reads the old file.",
        )
    return rules
