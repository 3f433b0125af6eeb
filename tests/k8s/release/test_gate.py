"""When the gate opens, what it prints while it waits, and when it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k8s.release import gate
from k8s.release.cluster import Made, Pod, State
from k8s.release.errors import GateClosed, ReleaseError
from k8s.release.gate import lacking, wait

NEW = Made((("kserve-container", "risk:2"), ("shipper", "risk:2")), (("customer-risk.deblock.com/bundle", "b2"),))
OLD = Made((("kserve-container", "risk:1"), ("shipper", "risk:1")), (("customer-risk.deblock.com/bundle", "b1"),))


def _pod(name: str, made: Made = NEW, **changes) -> Pod:
    return replace(Pod(name=name, made=made, ready=True, leaving=False, trouble=""), **changes)


GOOD = State(wanted=NEW, least=2, deployment=NEW, observed=True, replicas=2, pods=(_pod("a"), _pod("b")), route="")


class Shown:
    """A cluster that shows one state after the other, then the last one again and again."""

    def __init__(self, *states: State | ReleaseError) -> None:
        self._states = list(states)

    def look(self, _: str) -> State:
        """Return the next state, or raise it."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, ReleaseError):
            raise state
        return state

    @staticmethod
    def has(_: str) -> bool:
        """Return False: before the first revision, the release isn't installed."""
        return False


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(gate, "_LOOK_SECONDS", 0.001)


def test_a_complete_release_meets_all_conditions() -> None:
    """A release meets all conditions if all pods are new and ready, as many as the minimum, and no old pod is left."""
    assert lacking(GOOD) == ""


def test_a_container_of_kserve_is_ignored() -> None:
    """A container that KServe adds to the pod is ignored."""
    more = Made((*NEW.images, ("agent", "kserve:1")), NEW.marks)
    assert lacking(replace(GOOD, deployment=more, pods=(_pod("a", more), _pod("b", more)))) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deployment": None}, "KServe hasn't applied the InferenceService. Check that KServe's controller runs."),
        ({"deployment": OLD}, "KServe hasn't applied the InferenceService. Check that KServe's controller runs."),
        (
            {"deployment": replace(NEW, marks=OLD.marks)},
            "KServe hasn't applied the InferenceService. Check that KServe's controller runs.",
        ),
        ({"observed": False}, "KServe hasn't applied the InferenceService. Check that KServe's controller runs."),
        ({"replicas": 1, "pods": (_pod("a"),)}, "the Deployment has 1 replicas; the autoscaler's minimum is 2"),
        ({"pods": (_pod("a"), _pod("b", ready=False))}, "1 of 2 new pods ready"),
        ({"pods": (_pod("a"), _pod("b", leaving=True))}, "1 of 2 new pods ready"),
        ({"pods": (_pod("a"), _pod("b", OLD))}, "1 of 2 new pods ready"),
        (
            {"pods": (_pod("a"), _pod("b", ready=False, trouble="bundle: CrashLoopBackOff"))},
            "1 of 2 new pods ready; bundle: CrashLoopBackOff",
        ),
        ({"pods": (*GOOD.pods, _pod("c", OLD))}, "1 old pods still running"),
        ({"pods": (*GOOD.pods, _pod("c", OLD, leaving=True))}, "1 old pods still running"),
        ({"route": "no gateway has accepted the route"}, "no gateway has accepted the route"),
    ],
)
def test_each_unmet_condition_has_its_sentence(changes, said) -> None:
    """Each condition that isn't met has its own sentence."""
    assert lacking(replace(GOOD, **changes)) == said


def test_waiting_ends_when_all_conditions_are_met() -> None:
    """Each change is printed once, and so is the end."""
    said: list[str] = []
    waiting = replace(GOOD, replicas=1)
    wait(Shown(waiting, waiting, GOOD), "risk", seconds=60, say=said.append)
    assert said == [
        "risk: the Deployment has 1 replicas; the autoscaler's minimum is 2",
        "risk: all pods are new and ready, after 0 s",
    ]


def test_the_gate_closes_after_its_time() -> None:
    """A rollout that never ends closes the gate, with the condition that isn't met."""
    with pytest.raises(GateClosed, match="isn't ready after 0 s: KServe hasn't applied the InferenceService"):
        wait(Shown(replace(GOOD, deployment=OLD)), "risk", seconds=0.05, say=lambda _: None)


def test_a_missing_image_closes_the_gate_early(monkeypatch) -> None:
    """A missing image closes the gate early, because waiting can't help."""
    monkeypatch.setattr(gate, "_HOPELESS_SECONDS", 0.02)
    bad = replace(GOOD, pods=(_pod("a"), _pod("b", ready=False, trouble="kserve-container: ErrImageNeverPull.")))
    with pytest.raises(GateClosed, match="ErrImageNeverPull"):
        wait(Shown(bad), "risk", seconds=600, say=lambda _: None)


def test_an_unreachable_cluster_is_tried_again() -> None:
    """An API server that fails for a moment doesn't fail the deployment."""
    said: list[str] = []
    wait(Shown(ReleaseError("The cluster can't be reached."), GOOD), "risk", seconds=60, say=said.append)
    assert said[0] == "risk: The cluster can't be reached."
