"""When the gate opens, what it says while it doesn't, and when it gives up."""

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
    """A cluster that shows one state after the other, and stays with the last."""

    def __init__(self, *states: State | ReleaseError) -> None:
        self._states = list(states)

    def look(self, _: str) -> State:
        """Give the next state, or raise it."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, ReleaseError):
            raise state
        return state

    @staticmethod
    def has(_: str) -> bool:
        """Return False: nothing is installed before the first revision."""
        return False


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(gate, "_LOOK_SECONDS", 0.001)


def test_a_release_as_it_should_be_lacks_nothing() -> None:
    """All pods new and ready, as many as the autoscaler's minimum, no old one."""
    assert lacking(GOOD) == ""


def test_a_container_that_kserve_adds_is_no_difference() -> None:
    """KServe may put a container of its own beside ours."""
    more = Made((*NEW.images, ("agent", "kserve:1")), NEW.marks)
    assert lacking(replace(GOOD, deployment=more, pods=(_pod("a", more), _pod("b", more)))) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deployment": None}, "KServe hasn't taken it up. Does its controller run?"),
        ({"deployment": OLD}, "KServe hasn't taken it up. Does its controller run?"),
        ({"deployment": replace(NEW, marks=OLD.marks)}, "KServe hasn't taken it up. Does its controller run?"),
        ({"observed": False}, "KServe hasn't taken it up. Does its controller run?"),
        ({"replicas": 1, "pods": (_pod("a"),)}, "1 of at least 2 pods wanted by the autoscaler"),
        ({"pods": (_pod("a"), _pod("b", ready=False))}, "1 of 2 new pods ready"),
        ({"pods": (_pod("a"), _pod("b", leaving=True))}, "1 of 2 new pods ready"),
        ({"pods": (_pod("a"), _pod("b", OLD))}, "1 of 2 new pods ready"),
        (
            {"pods": (_pod("a"), _pod("b", ready=False, trouble="bundle: CrashLoopBackOff"))},
            "1 of 2 new pods ready; bundle: CrashLoopBackOff",
        ),
        ({"pods": (*GOOD.pods, _pod("c", OLD))}, "1 old pods still there"),
        ({"pods": (*GOOD.pods, _pod("c", OLD, leaving=True))}, "1 old pods still there"),
        ({"route": "no gateway has taken up the route"}, "no gateway has taken up the route"),
    ],
)
def test_what_is_lacking_is_said(changes, said) -> None:
    """Each way of not being there yet has its sentence."""
    assert lacking(replace(GOOD, **changes)) == said


def test_waiting_ends_when_nothing_is_lacking() -> None:
    """Each change is said once, and the end."""
    said: list[str] = []
    waiting = replace(GOOD, replicas=1)
    wait(Shown(waiting, waiting, GOOD), "risk", seconds=60, say=said.append)
    assert said == [
        "risk: 1 of at least 2 pods wanted by the autoscaler",
        "risk: all pods are new and ready, after 0 s",
    ]


def test_waiting_has_an_end() -> None:
    """A rollout that never comes to be closes the gate, with what it lacks."""
    with pytest.raises(GateClosed, match="isn't as it should be after 0 s: KServe hasn't taken it up"):
        wait(Shown(replace(GOOD, deployment=OLD)), "risk", seconds=0.05, say=lambda _: None)


def test_an_image_that_is_not_there_is_not_waited_for(monkeypatch) -> None:
    """What can't come about by waiting closes the gate long before the time is up."""
    monkeypatch.setattr(gate, "_HOPELESS_SECONDS", 0.02)
    bad = replace(GOOD, pods=(_pod("a"), _pod("b", ready=False, trouble="kserve-container: ErrImageNeverPull.")))
    with pytest.raises(GateClosed, match="ErrImageNeverPull"):
        wait(Shown(bad), "risk", seconds=600, say=lambda _: None)


def test_a_cluster_that_does_not_answer_is_asked_again() -> None:
    """An API server that is away for a moment doesn't fail a deployment."""
    said: list[str] = []
    wait(Shown(ReleaseError("The cluster can't be asked."), GOOD), "risk", seconds=60, say=said.append)
    assert said[0] == "risk: The cluster can't be asked."
