"""Which vulnerabilities of a scan stop a build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from k8s.cloudbuild.vulnerabilities import main

ACCEPTED = Path(__file__).parents[3] / "k8s/cloudbuild/accepted.yaml"


def _finding(name: str = "CVE-2026-1", severity: str = "CRITICAL", fixed_in: str = "1.2.4") -> dict[str, object]:
    issue: dict[str, object] = {"affectedPackage": "openssl", "fixAvailable": bool(fixed_in)}
    if fixed_in:
        issue["fixedVersion"] = {"fullName": fixed_in}
    return {
        "noteName": f"projects/goog-vulnz/notes/{name}",
        "vulnerability": {"effectiveSeverity": severity, "packageIssue": [issue]},
    }


def _judge(tmp_path: Path, scan: object, *accepted: dict[str, str]):
    (tmp_path / "scan.json").write_text(json.dumps(scan), encoding="utf-8")
    (tmp_path / "accepted.yaml").write_text(yaml.safe_dump({"accepted": list(accepted)}), encoding="utf-8")
    return CliRunner().invoke(main, [str(tmp_path / "scan.json"), str(tmp_path / "accepted.yaml")])


@pytest.mark.parametrize("severity", ["CRITICAL", "HIGH"])
def test_a_severe_vulnerability_with_a_fix_stops_the_build(tmp_path: Path, severity: str) -> None:
    """The vulnerability's line has the package and the version with the fix."""
    done = _judge(tmp_path, [_finding(severity=severity)])
    assert done.exit_code == 1
    assert "openssl: 1.2.4" in done.output


@pytest.mark.parametrize("scan", [[], [_finding(severity="MEDIUM")], [_finding(fixed_in="")]])
def test_a_vulnerability_that_is_not_severe_or_has_no_fix_is_only_listed(tmp_path: Path, scan: list[object]) -> None:
    """A vulnerability that isn't severe, or that has no fix, is listed and doesn't stop the build."""
    done = _judge(tmp_path, scan)
    assert done.exit_code == 0
    assert done.output.count("CVE-") == len(scan)


def test_an_accepted_vulnerability_stops_builds_after_its_day(tmp_path: Path) -> None:
    """An accepted vulnerability stops builds again after its day."""
    entry = {"id": "CVE-2026-1", "why": "the parser is never given such input"}
    assert _judge(tmp_path, [_finding()], {**entry, "until": "2999-01-01"}).exit_code == 0
    assert _judge(tmp_path, [_finding()], {**entry, "until": "2001-01-01"}).exit_code == 1


def test_another_vulnerability_is_not_accepted(tmp_path: Path) -> None:
    """Only the accepted vulnerability doesn't stop the build."""
    entry = {"id": "CVE-2026-1", "why": "the parser is never given such input", "until": "2999-01-01"}
    assert _judge(tmp_path, [_finding(), _finding("CVE-2026-2")], entry).exit_code == 1


def test_an_acceptance_needs_a_reason(tmp_path: Path) -> None:
    """A reason of two letters is refused."""
    assert _judge(tmp_path, [], {"id": "CVE-2026-1", "why": "ok", "until": "2999-01-01"}).exit_code != 0


@pytest.mark.parametrize("scan", [{}, [{}], [{"vulnerability": {}}], "not a scan"])
def test_an_unreadable_scan_fails(tmp_path: Path, scan: object) -> None:
    """A scan in another form ends with an error."""
    assert _judge(tmp_path, scan).exit_code != 0


def test_the_projects_accepted_list_is_valid(tmp_path: Path) -> None:
    """The project's accepted.yaml is valid."""
    (tmp_path / "scan.json").write_text("[]", encoding="utf-8")
    assert CliRunner().invoke(main, [str(tmp_path / "scan.json"), str(ACCEPTED)]).exit_code == 0
