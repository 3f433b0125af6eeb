"""Which findings of a scan stop a build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from k8s.cloudbuild.vulnerabilities import main

ACCEPTED = Path(__file__).parents[3] / "k8s/cloudbuild/accepted.yaml"


def _finding(name: str = "CVE-2026-1", severity: str = "CRITICAL", mended: str = "1.2.4") -> dict[str, object]:
    issue: dict[str, object] = {"affectedPackage": "openssl", "fixAvailable": bool(mended)}
    if mended:
        issue["fixedVersion"] = {"fullName": mended}
    return {
        "noteName": f"projects/goog-vulnz/notes/{name}",
        "vulnerability": {"effectiveSeverity": severity, "packageIssue": [issue]},
    }


def _judge(tmp_path: Path, scan: object, *accepted: dict[str, str]):
    (tmp_path / "scan.json").write_text(json.dumps(scan), encoding="utf-8")
    (tmp_path / "accepted.yaml").write_text(yaml.safe_dump({"accepted": list(accepted)}), encoding="utf-8")
    return CliRunner().invoke(main, [str(tmp_path / "scan.json"), str(tmp_path / "accepted.yaml")])


@pytest.mark.parametrize("severity", ["CRITICAL", "HIGH"])
def test_a_grave_one_that_can_be_mended_stops_the_build(tmp_path: Path, severity: str) -> None:
    """Its line says which package, and in what version it is mended."""
    done = _judge(tmp_path, [_finding(severity=severity)])
    assert done.exit_code == 1
    assert "openssl: 1.2.4" in done.output


@pytest.mark.parametrize("scan", [[], [_finding(severity="MEDIUM")], [_finding(mended="")]])
def test_what_isnt_grave_or_cant_be_mended_is_listed_only(tmp_path: Path, scan: list[object]) -> None:
    """A build that nobody can turn green again would be switched off."""
    done = _judge(tmp_path, scan)
    assert done.exit_code == 0
    assert done.output.count("CVE-") == len(scan)


def test_one_that_was_accepted_passes_until_its_day(tmp_path: Path) -> None:
    """Then it stops builds again."""
    entry = {"id": "CVE-2026-1", "why": "the parser is never given such input"}
    assert _judge(tmp_path, [_finding()], {**entry, "until": "2999-01-01"}).exit_code == 0
    assert _judge(tmp_path, [_finding()], {**entry, "until": "2001-01-01"}).exit_code == 1


def test_one_that_was_accepted_lets_no_other_pass(tmp_path: Path) -> None:
    """By its own name alone."""
    entry = {"id": "CVE-2026-1", "why": "the parser is never given such input", "until": "2999-01-01"}
    assert _judge(tmp_path, [_finding(), _finding("CVE-2026-2")], entry).exit_code == 1


def test_none_is_accepted_without_a_reason(tmp_path: Path) -> None:
    """A word isn't one."""
    assert _judge(tmp_path, [], {"id": "CVE-2026-1", "why": "ok", "until": "2999-01-01"}).exit_code != 0


@pytest.mark.parametrize("scan", [{}, [{}], [{"vulnerability": {}}], "not a scan"])
def test_a_scan_that_cant_be_read_is_no_clean_one(tmp_path: Path, scan: object) -> None:
    """Another form of answer ends the build rather than let everything pass."""
    assert _judge(tmp_path, scan).exit_code != 0


def test_the_projects_own_list_can_be_read(tmp_path: Path) -> None:
    """The file that the scan's step is given."""
    (tmp_path / "scan.json").write_text("[]", encoding="utf-8")
    assert CliRunner().invoke(main, [str(tmp_path / "scan.json"), str(ACCEPTED)]).exit_code == 0
