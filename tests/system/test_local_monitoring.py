"""Debian's Prometheus and Alertmanager on this machine: they start, deliver an alert and end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from k8s.local_monitoring import programs
from tests.monitoring import packages
from tests.monitoring.alertmanager import alertmanager, amtool
from tests.monitoring.prometheus import Target, prometheus, promtool, query
from tests.monitoring.webhook import webhook

pytestmark = pytest.mark.system


def _document(expression: str) -> dict:
    """Return a rule file with one alert."""
    texts = {"labels": {"severity": "page"}, "annotations": {"summary": "{{ $value }}"}}
    rule = {"alert": "Planted", "expr": expression, **texts}
    return {"groups": [{"name": "planted", "interval": "200ms", "rules": [rule]}]}


def test_an_alert_arrives_at_the_webhook_and_is_resolved(tmp_path) -> None:
    """An alert on a target that doesn't answer arrives with its labels; it is resolved once the target answers."""
    port = programs.free_port()
    target = Target(f"127.0.0.1:{port}", namespace="somewhere", pod="some-pod")
    (tmp_path / "metrics").write_text("planted_total 3\n")
    files = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with (
        webhook() as inbox,
        alertmanager(tmp_path / "alertmanager", inbox.url) as alerts,
        prometheus(tmp_path / "prometheus", [target], rules=_document("up == 0"), alertmanager=alerts) as url,
    ):
        alert = inbox.wait_for("Planted")
        assert alert.labels.items() >= {"severity": "page", "namespace": "somewhere", "pod": "some-pod"}.items()
        assert alert.annotations == {"summary": "0"}
        asked = json.loads(amtool("--alertmanager.url", alerts, "--output", "json", "alert", "query").stdout)
        assert [each["labels"]["alertname"] for each in asked] == ["Planted"]
        with programs.running(files, tmp_path / "log", f"http://127.0.0.1:{port}/metrics"):
            assert inbox.wait_until_resolved("Planted").fingerprint == alert.fingerprint
            (series,) = query(url, "planted_total")
    assert series["metric"].items() >= {"namespace": "somewhere", "pod": "some-pod"}.items()
    assert series["value"][1] == "3"


def test_a_webhook_that_receives_nothing_names_what_it_received() -> None:
    """Waiting ends with the names of the alerts that did arrive."""
    with webhook() as inbox, pytest.raises(TimeoutError, match=r"Missing did not fire in 0\.1 s\. Received: no alert"):
        inbox.wait_for("Missing", patience=0.1)


def test_invalid_rules_end_the_start_with_what_prometheus_writes(tmp_path) -> None:
    """Prometheus refuses an invalid expression, and so does promtool; the error has the output of Prometheus."""
    document = _document("up ==")
    with pytest.raises(programs.ProgramEnded, match="parse error"), prometheus(tmp_path, [], rules=document):
        pass
    checked = promtool("check", "rules", tmp_path / "rules.yaml")
    assert checked.returncode == 1
    assert "parse error" in checked.stderr


def test_the_programs_end_with_their_context(tmp_path) -> None:
    """After an error in the context, the program has ended."""
    with pytest.raises(KeyError), prometheus(tmp_path, []) as url:
        raise KeyError
    with pytest.raises(programs.ProgramEnded), programs.running(["false"], tmp_path / "log", f"{url}/-/ready"):
        pass


def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path) -> None:
    """The error has the command that installs the program's package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(programs.ProgramMissing, match=r"amtool .* apt-get install prometheus-alertmanager"):
        programs.find("amtool")


@pytest.mark.parametrize("package", sorted(set(programs.PACKAGES.values())))
def test_an_unpacked_package_has_its_programs(tmp_path, package) -> None:
    """Debian's package is unpacked, not installed, and its programs run."""
    packages.unpack(package, tmp_path)
    for program in (name for name, source in programs.PACKAGES.items() if source == package):
        done = subprocess.run([tmp_path / "usr/bin" / program, "--version"], capture_output=True, text=True, check=True)
        assert f"{program.removeprefix('prometheus-')}, version" in done.stdout
