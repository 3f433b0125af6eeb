"""Makes the service from its settings, for the server and for the jobs' process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service

if TYPE_CHECKING:
    from customer_risk.serving.decisions.fallback.settings import RuleSettings


def create_service(model_name: str, rules: RuleSettings) -> Service:
    """Return a service without a bundle; raises ConfigError for rules that can't be used."""
    fallback = RuleFallback(load_rules(Path(rules.file) if rules.file else None), rules.name) if rules.enabled else None
    return Service(model_name, fallback=fallback, without_bundle=rules.without_bundle)
