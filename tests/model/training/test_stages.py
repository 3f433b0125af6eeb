"""The stages of a run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from customer_risk.model.training.stages import Shown, Stages


def test_each_stage_is_timed_in_order():
    """`timings` has the ended stages in order."""
    watch = Stages()
    for title in ("read", "fit"):
        with watch.stage(title):
            pass
    assert [stage.stage for stage in watch.timings] == ["read", "fit"]
    assert all(stage.seconds >= 0 for stage in watch.timings)


def test_a_stage_that_fails_is_timed_too():
    """An error in a stage is raised, and the stage has its time."""
    watch = Stages()
    with pytest.raises(RuntimeError), watch.stage("fit"):
        raise RuntimeError
    assert len(watch.timings) == 1


def test_progress_shows_stages_and_steps():
    """The terminal shows each stage's title and its number of steps."""
    out = io.StringIO()
    with Shown(Console(file=out, force_terminal=True, width=100)) as watch, watch.stage("Fit folds", 3) as tick:
        tick()
        tick()
        watch._progress.refresh()
        assert "2/3" in out.getvalue()
    assert "Fit folds" in out.getvalue()
    assert "3/3" in out.getvalue()
