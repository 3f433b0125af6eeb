"""Checks of the rules of a sign-off."""

from __future__ import annotations

import pytest

from customer_risk.model.config import SignOff, Token, load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.rules import check_rules

TOKEN = {"issuer": "https://i.example/", "audience": "a", "jwks": "https://i.example/keys"}


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"signers": (" ",)}, "signers has an empty name"),
        ({"second_approver": True, "approvers": ("",)}, "approvers has an empty name"),
        ({"approvers": ("Bob Example",)}, "approvers names people, but second_approver is false"),
        (
            {"second_approver": True, "signers": ("Ann Example",), "approvers": ("ann example",)},
            "Ann Example is the only signer and the only approver",
        ),
        ({"token": Token(**TOKEN | {"issuer": ""})}, "token.issuer is empty"),
        ({"token": Token(**TOKEN | {"audience": ""})}, "token.audience is empty"),
        ({"token": Token(**TOKEN | {"jwks": ""})}, "token.jwks is empty"),
        ({"token": Token(**TOKEN, name_claim="")}, "token.name_claim is empty"),
        (
            {"token": Token(**TOKEN | {"jwks": "http://i.example/keys"})},
            "token.jwks is neither an https URL nor a file",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_that_cannot_work_are_refused(rules, problem):
    """The message names the section and each fault."""
    with pytest.raises(ConfigError, match=f"The section sign_off can't be used: {problem}"):
        check_rules(SignOff(**rules))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"second_approver": True},
        {"second_approver": True, "signers": ("Ann Example",)},
        {"second_approver": True, "signers": ("Ann Example",), "approvers": ("Bob Example", "Ann Example")},
        {"token": Token(**TOKEN, required=True)},
        {"token": Token(**TOKEN | {"jwks": "/etc/keys.json"})},
    ],
    ids=str,
)
def test_rules_that_can_work_are_accepted(rules):
    """Each list may be empty, and a person may be on both lists."""
    check_rules(SignOff(**rules))


def test_defaults_need_no_second_approver():
    """By default every person may decide, and decisions are final."""
    assert load_config().sign_off == SignOff()


def test_configuration_of_an_unknown_field_is_refused(tmp_path):
    """A misspelt field is refused, since it would leave a rule out."""
    (tmp_path / "bank.yaml").write_text("sign_off: {second_aprover: true}")
    with pytest.raises(ConfigError, match="second_aprover"):
        load_config(tmp_path / "bank.yaml")


def test_issuer_is_configured(tmp_path):
    """The section token replaces the default, null."""
    (tmp_path / "bank.yaml").write_text(f"sign_off: {{second_approver: true, token: {TOKEN}}}")
    rules = load_config(tmp_path / "bank.yaml").sign_off
    assert (rules.second_approver, rules.token) == (True, Token(**TOKEN))
