"""docs/security.md agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from customer_risk.serving.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = ("SECURITY.md", "docs/security.md")
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _bounds() -> list[list[str]]:
    """Return the rows of the table of bounds: resource, bound, setting, consequence."""
    table = PAGE.partition("\n| resource | bound | setting |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def _forms(value: float) -> set[str]:
    """Return the forms in which the page may write a number."""
    return {f"{value:g}", f"{value:,}", f"{value:.0f}"} | {f"{value / size:g} {unit}" for unit, size in UNITS.items()}


@pytest.mark.parametrize("row", _bounds(), ids=lambda row: row[0])
def test_a_bound_of_the_page_is_the_default_of_its_setting(row: list[str]) -> None:
    """Each setting that a row names exists, and the row shows its default."""
    _, bound, named, _ = row
    if named.startswith("value "):
        found: Any = yaml.safe_load((ROOT / "helm/customer-risk/values.yaml").read_text(encoding="utf-8"))
        for key in re.fullmatch(r"value `([\w.-]+)`", named)[1].split("."):
            found = found[key]
        assert found.replace("Gi", " GiB") in bound
        return
    for path in re.findall(r"`([\w.]+)`", named):
        default: Any = Settings()
        for name in path.split("."):
            default = getattr(default, name)
        if default is None:
            assert "none by default" in bound
        elif "none by default" not in bound:
            assert any(re.search(rf"(?<![\d.,]){re.escape(form)}(?!\d|,\d)", bound) for form in _forms(default)), path


def test_every_bound_of_the_servers_settings_is_on_the_page() -> None:
    """Every setting of the server, jobs, authentication and limits whose name begins with `most_` is in the table."""
    named = {each for row in _bounds() for each in re.findall(r"`([\w.]+)`", row[2])}
    for section in ("server", "jobs", "auth", "limits"):
        for field in msgspec.structs.fields(getattr(Settings(), section)):
            if field.name.startswith("most_"):
                assert f"{section}.{field.name}" in named


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    """Every link of the page leads to a file that exists, and to a heading that it has."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for file, _, heading in (each.partition("#") for each in re.findall(r"\]\(([^)]+)\)", text)):
        target = (ROOT / page).parent / file
        assert target.exists(), file
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, heading
