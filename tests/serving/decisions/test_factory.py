"""The service that its settings define."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from customer_risk.model.errors import ConfigError
from customer_risk.serving.decisions.factory import create_service
from customer_risk.serving.decisions.fallback import ruleset
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.fallback.settings import RuleSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path) -> Path:
    """The package's rules in a file, but with another strongest action."""
    from importlib import resources

    rules = yaml.safe_load(resources.files(ruleset.__package__).joinpath("defaults.yaml").read_text("utf-8"))
    made = tmp_path / "rules.yaml"
    made.write_text(json.dumps(rules | {"most": "propose_off_boarding"}), encoding="utf-8")
    return made


def test_rules_that_propose_off_boarding_are_refused(file) -> None:
    """The message names the file and the value, and says what to write; replays still read the file."""
    with pytest.raises(ConfigError, match="most is propose_off_boarding") as caught:
        create_service("customer-risk", RuleSettings(file=str(file)))
    assert str(file) in str(caught.value)
    assert "most: review" in caught.value.remedy
    assert load_rules(file).most == "propose_off_boarding"


def test_rules_that_are_switched_off_are_not_read(file) -> None:
    """A service with disabled rules starts, whatever their file says."""
    assert not create_service("customer-risk", RuleSettings(enabled=False, file=str(file))).has_rules


@pytest.mark.parametrize("most", ["review", "none"])
def test_rules_that_propose_at_most_a_review_are_accepted(file, most) -> None:
    """A rule file that proposes reviews at most is accepted."""
    file.write_text(file.read_text().replace("propose_off_boarding", most))
    assert create_service("customer-risk", RuleSettings(file=str(file))).has_rules
