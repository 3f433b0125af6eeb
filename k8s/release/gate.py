"""Waits for a rollout.

KServe's condition Ready stays True while a rollout fails, so the gate checks the pods themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from k8s.release.cluster import CRASHING, Made, State
from k8s.release.errors import GateClosed, ReleaseError

_LOOK_SECONDS: Final = 1.0
_HOPELESS: Final = (
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    CRASHING,
)
_HOPELESS_SECONDS: Final = 20  # a registry can fail for a moment, and a Secret can be created a moment later


class Looks(Protocol):
    """The methods of a cluster that the gate uses."""

    def look(self, name: str) -> State:
        """Return the state of the release called `name`."""

    def has(self, name: str) -> bool:
        """Whether a release called `name` is installed."""


def lacking(state: State) -> str:
    """Return the first condition that a release doesn't meet yet; empty if it meets all.

    The conditions: KServe has applied the wanted specification; there are as many pods as the autoscaler's minimum, all
    from that specification, all ready; no other pod is left, not even a terminating one; the gateway has accepted the
    route.
    """
    if state.deployment is None or not _same(state.deployment, state.wanted) or not state.observed:
        return "KServe hasn't applied the InferenceService. Check that KServe's controller runs."
    if state.replicas < state.least:
        return f"the Deployment has {state.replicas} replicas; the autoscaler's minimum is {state.least}"
    new = [pod for pod in state.pods if _same(pod.made, state.wanted)]
    ready = sum(pod.ready and not pod.leaving for pod in new)
    if ready < state.replicas:
        troubles = sorted({pod.trouble for pod in new if pod.trouble and not pod.leaving})
        return f"{ready} of {state.replicas} new pods ready" + "".join(f"; {trouble}" for trouble in troubles)
    old = [pod.name for pod in state.pods if pod not in new]
    if old:
        return f"{len(old)} old pods still running"
    return state.route


def wait(cluster: Looks, name: str, *, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until the release meets all conditions; print each change of the first one that it doesn't meet.

    Raises GateClosed after `seconds`, or earlier if waiting can't help: a missing image, a process that always crashes.
    """
    began = time.monotonic()
    last, hopeless_since = "", 0.0
    while True:
        try:
            now = lacking(cluster.look(name))
        except ReleaseError as error:
            now = str(error)
        if not now:
            say(f"{name}: all pods are new and ready, after {time.monotonic() - began:.0f} s")
            return
        if now != last:
            say(f"{name}: {now}")
            last = now
        if not any(word in now for word in _HOPELESS):
            hopeless_since = 0.0
        elif not hopeless_since:
            hopeless_since = time.monotonic()
        hopeless = hopeless_since and time.monotonic() - hopeless_since > _HOPELESS_SECONDS
        if hopeless or time.monotonic() - began > seconds:
            raise GateClosed(f"{name} isn't ready after {time.monotonic() - began:.0f} s: {now}")
        time.sleep(_LOOK_SECONDS)


def _same(found: Made, wanted: Made) -> bool:
    """Compare marks, and images by container: KServe may add containers."""
    there = dict(found.images)
    return found.marks == wanted.marks and all(there.get(name) == image for name, image in wanted.images)
