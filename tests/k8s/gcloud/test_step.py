"""Running steps: again, after a failure, without the programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.gcloud.resources import bindings, steps
from k8s.gcloud.step import Step, StepError, run

QUIET = lambda _: None  # noqa: E731  a name for saying nothing


def test_running_it_all_again_makes_nothing_anew(google, site) -> None:
    """The second time everything is there: nothing is created, and nothing fails because it is there."""
    run([*steps(site), *bindings(site)], QUIET)
    first = [line for line in google.asked if " create" in line]
    google.forget_log()
    run([*steps(site), *bindings(site)], QUIET)
    assert len(first) > 30
    assert [line for line in google.asked if " create" in line] == []


def test_a_failure_stops_and_says_what_gcloud_said(google, site, monkeypatch) -> None:
    """What comes after the failing step isn't tried; the message has the command and its words."""
    monkeypatch.setenv("BROKEN", "container clusters")
    with pytest.raises(StepError, match=r"(?s)gcloud container clusters create.*PERMISSION_DENIED"):
        run(steps(site), QUIET)
    assert not any("add-iam-policy-binding" in line for line in google.asked)


def test_after_a_failure_it_goes_on_where_it_stopped(google, site, monkeypatch) -> None:
    """What was made before stays, and the rest is made."""
    monkeypatch.setenv("BROKEN", "container clusters")
    with pytest.raises(StepError):
        run(steps(site), QUIET)
    monkeypatch.delenv("BROKEN")
    google.forget_log()
    run(steps(site), QUIET)
    created = [line for line in google.asked if " create" in line]
    assert created[0].startswith("gcloud container clusters create")


def test_without_gcloud_a_sentence_says_so(monkeypatch, tmp_path: Path) -> None:
    """A machine without the Google Cloud CLI is told what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepError, match="gcloud isn't installed"):
        Step("anything", ("gcloud", "version")).run(QUIET)


def test_what_is_there_is_aligned_with_what_is_wanted(google, site) -> None:
    """A bucket that somebody made, or changed, gets the settings each time: lifecycle, versions, no public access."""
    run(steps(site), QUIET)
    google.forget_log()
    run(steps(site), QUIET)
    updated = [line for line in google.asked if "buckets update" in line]
    assert len(updated) == 3
    assert all("--public-access-prevention" in line for line in updated)
    assert sum("--lifecycle-file=" in line for line in updated) == 2
