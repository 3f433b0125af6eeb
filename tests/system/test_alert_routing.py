"""The example of Alertmanager's configuration, and the silences of the guide, in Debian's Alertmanager."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from k8s.alerts import rules
from tests.monitoring.alertmanager import alertmanager, amtool

pytestmark = pytest.mark.system

_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "k8s/alerts/alertmanager.yaml"


def _alerts() -> dict[str, str]:
    """Return the severity of each alert."""
    found = [rule for group in rules()["groups"] for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule["labels"]["severity"] for rule in found}


def test_the_example_is_valid() -> None:
    """Alertmanager accepts the example."""
    done = amtool("check-config", _EXAMPLE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "pager"), ("ticket", "tickets"), ("other", "tickets")])
def test_pages_reach_the_pager_and_tickets_the_queue(severity, receiver) -> None:
    """The severity chooses the receiver."""
    done = amtool("config", "routes", "test", f"--config.file={_EXAMPLE}", f"severity={severity}")
    assert done.stdout.strip() == receiver


def test_inhibitions_name_alerts_that_exist() -> None:
    """Each alert that an inhibition names is defined, and no inhibition silences a page by a ticket."""
    severities = _alerts()
    for rule in yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))["inhibit_rules"]:
        named = [
            {name for name in severities if re.fullmatch(re.search(r'~?"(.*)"', matcher)[1], name)}
            for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        ]
        assert all(named), rule
        assert {severities[name] for name in named[0]} == {"page"}


def test_the_commands_of_the_guide_silence_a_release(tmp_path) -> None:
    """The guide's commands add a silence, show it and end it."""
    page = (_ROOT / "docs/guide/alerts.md").read_text(encoding="utf-8")
    block = re.search(r"## Silences.*?```sh\n(.*?)```", page, re.DOTALL)[1]
    add, look, end = block.strip().splitlines()
    with alertmanager(tmp_path, "http://127.0.0.1:9/") as url:
        filled = [line.replace("$ALERTMANAGER", url).replace("$RELEASE", "r1") for line in (add, look, end)]
        words = [re.findall(r'--comment="[^"]*"|\S+', line.split("#")[0]) for line in filled]
        assert [each[0] for each in words] == ["amtool"] * 3
        made = amtool(*words[0][1:])
        assert made.returncode == 0, made.stderr
        shown = json.loads(amtool("-o", "json", *words[1][1:]).stdout)
        matchers = {each["name"]: each["value"] for each in shown[0]["matchers"]}
        assert matchers == {"release": "r1", "severity": "ticket"}
        ended = amtool(*(made.stdout.strip() if word == "ID" else word for word in words[2][1:]))
        assert ended.returncode == 0, ended.stderr
        assert json.loads(amtool("-o", "json", *words[1][1:]).stdout or "[]") == []
