"""Checks the rules of a sign-off before a scoring run records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.people import same_name
from customer_risk.model.tokens.algorithms import is_private_url

if TYPE_CHECKING:
    from customer_risk.model.config import SignOff


def check_rules(rules: SignOff) -> None:
    """Raise ConfigError, naming every fault, if a field is empty or the rules contradict each other."""
    faults = [
        f"{field} has an empty name"
        for field, names in (("signers", rules.signers), ("approvers", rules.approvers))
        if not all(name.strip() for name in names)
    ]
    if rules.approvers and not rules.second_approver:
        faults.append("approvers names people, but second_approver is false")
    everyone = rules.signers + rules.approvers
    if rules.signers and rules.approvers and all(same_name(one, rules.signers[0]) for one in everyone):
        faults.append(f"{rules.signers[0]} is the only signer and the only approver: another person must approve")
    if rules.token is not None:
        faults += [
            f"token.{field} is empty"
            for field in ("issuer", "audience", "jwks", "name_claim")
            if not getattr(rules.token, field).strip()
        ]
        if "://" in rules.token.jwks and not is_private_url(rules.token.jwks):
            faults.append("token.jwks is neither an https URL nor a file")
    if faults:
        raise ConfigError(
            f"The section sign_off can't be used: {'; '.join(faults)}.",
            remedy="model/defaults.yaml shows every field with its meaning.",
        )
