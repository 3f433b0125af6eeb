"""The reference of the metrics, which is made from the code."""

from __future__ import annotations

from pathlib import Path

from customer_risk.serving.metrics_guide import SETTINGS, metrics_guide
from customer_risk.serving.settings import Settings

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def test_the_page_is_current() -> None:
    """`python -m customer_risk.serving.metrics_guide > docs/reference/metrics.md` brings the page up to date."""
    assert PAGE.read_text(encoding="utf-8") == metrics_guide()


def test_the_page_names_settings_that_exist() -> None:
    """A setting that was renamed is no longer on the page."""
    for path in (*SETTINGS.values(), "server.metrics", "record.ship.metrics_host", "record.ship.embedded"):
        value: object = Settings()
        for name in path.split("."):
            assert hasattr(value, name), path
            value = getattr(value, name)
