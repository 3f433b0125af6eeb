"""Running steps: again, after a failure, and without gcloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.gcloud.resources import bindings, steps
from k8s.gcloud.step import Step, StepError, run

QUIET = lambda _: None  # noqa: E731  a name for saying nothing


def test_a_second_run_creates_nothing(google, site) -> None:
    """The second run creates nothing, and nothing fails because it exists."""
    run([*steps(site), *bindings(site)], QUIET)
    first = [line for line in google.asked if " create" in line]
    google.forget_log()
    run([*steps(site), *bindings(site)], QUIET)
    assert len(first) > 30
    assert [line for line in google.asked if " create" in line] == []


def test_a_failure_stops_the_run_with_gclouds_message(google, site, monkeypatch) -> None:
    """Steps after the failed one aren't run; the message has the command and its output."""
    monkeypatch.setenv("BROKEN", "container clusters")
    with pytest.raises(StepError, match=r"(?s)gcloud container clusters create.*PERMISSION_DENIED"):
        run(steps(site), QUIET)
    assert not any("add-iam-policy-binding" in line for line in google.asked)


def test_a_run_after_a_failure_continues(google, site, monkeypatch) -> None:
    """After a failure, the next run creates only the missing resources."""
    monkeypatch.setenv("BROKEN", "container clusters")
    with pytest.raises(StepError):
        run(steps(site), QUIET)
    monkeypatch.delenv("BROKEN")
    google.forget_log()
    run(steps(site), QUIET)
    created = [line for line in google.asked if " create" in line]
    assert created[0].startswith("gcloud container clusters create")


def test_a_missing_gcloud_is_an_error(monkeypatch, tmp_path: Path) -> None:
    """The error says that gcloud isn't installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepError, match="gcloud isn't installed"):
        Step("anything", ("gcloud", "version")).run(QUIET)


def test_settings_of_existing_resources_are_updated(google, site) -> None:
    """The settings of existing buckets are updated: lifecycle, versions, no public access."""
    run(steps(site), QUIET)
    google.forget_log()
    run(steps(site), QUIET)
    updated = [line for line in google.asked if "buckets update" in line]
    assert len(updated) == 3
    assert all("--public-access-prevention" in line for line in updated)
    assert sum("--lifecycle-file=" in line for line in updated) == 2
