"""The configuration: defaults, what may be laid over them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError


def test_the_defaults_load() -> None:
    """Without a file, every field has the value of defaults.yaml."""
    assert load_config().training.excluded_types == ("MANUAL",)


def test_a_file_is_laid_over_the_defaults(tmp_path: Path) -> None:
    """A file changes the fields that it names and no others."""
    file = tmp_path / "mine.yaml"
    file.write_text("costs: {review: 55}\nleaks: {allow: {top_up_failed_count: checked by hand}}\n")
    config, default = load_config(file), load_config()
    assert config.costs.review == 55
    assert config.costs.missed_risky == default.costs.missed_risky
    assert config.leaks.allow == {"top_up_failed_count": "checked by hand"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("costs: {reviews: 55}", "reviews"),
        ("costs: {review: cheap}", "costs.review"),
        ("speed: 3", "speed"),
        ("training: {trials: 0}", r"training\.trials"),
        ("evaluation: {folds: 1}", r"evaluation\.folds"),
        ("portfolio: {risk_rate: 1.5}", r"portfolio\.risk_rate"),
        ("costs: {review_catches: 1}", r"costs\.review_catches"),
        ("- a list", "no sections"),
        ("costs: {", "YAML"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    """An unknown field, a wrong type or broken YAML is refused with its name."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_config(file)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    """A configuration file that isn't there is named."""
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_config(tmp_path / "absent.yaml")
