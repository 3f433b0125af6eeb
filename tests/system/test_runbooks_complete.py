"""Whether each alert has a page, and each page and playbook a test that runs its commands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from k8s.alerts import rules
from tests.system.runbook_pages import RUNBOOKS, cluster_commands, commands

pytestmark = pytest.mark.system

SECTIONS = ["What it means", "Is it urgent", "First commands", "Mitigate", "Find the cause", "When it is over"]
ALERTS = {each["alert"] for group in rules()["groups"] for each in group["rules"] if "alert" in each}
PAGES = {each.stem for each in RUNBOOKS.glob("*.md")} - {"README"}
PLAYBOOKS = {f"playbooks/{each.stem}" for each in (RUNBOOKS / "playbooks").glob("*.md")}


def _texts(path: Path) -> set[str]:
    """Return the texts in the functions of a module: a page that is only in a constant isn't tested."""
    functions = [each for each in ast.parse(path.read_text()).body if isinstance(each, ast.FunctionDef)]
    nodes = (node for each in functions for node in ast.walk(each))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_each_alert_has_a_page() -> None:
    """The pages are those of the chart's alerts, and that of KServe's controller."""
    assert ALERTS | {"KServeControllerDown"} == PAGES


def test_each_page_and_playbook_is_tested() -> None:
    """A test of this folder names each page and playbook."""
    modules = set(Path(__file__).parent.glob("test_runbooks_*.py")) - {Path(__file__)}
    assert (PAGES | PLAYBOOKS) - set().union(*map(_texts, modules)) == set()


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_has_its_form(page) -> None:
    """A page has the alert's name, the six sections, and exactly three first commands with expected outputs."""
    title, *lines = (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8").splitlines()
    assert title == f"# {page}"
    assert [each.removeprefix("## ") for each in lines if each.startswith("## ")] == SECTIONS
    first = [each for each in commands(page) if each.section == "First commands"]
    assert [bool(each.expected) for each in first] == [True] * 3


def test_the_index_names_every_page_and_playbook() -> None:
    """The index by symptom has a link to each page and playbook."""
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert [each for each in sorted(PAGES | PLAYBOOKS) if f"]({each}.md)" not in index] == []


def test_the_commands_for_a_cluster_use_kubectl() -> None:
    """Each block that is marked with `cluster` runs kubectl, so the end-to-end test has to run it."""
    found = cluster_commands()
    assert len(found) > 30
    assert [page for page, each in found if "kubectl" not in each.text] == []
