"""When is a release as it should be? KServe's own Ready stays True while a rollout fails, so this looks itself."""

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
_HOPELESS_SECONDS: Final = 20  # a registry, or a Secret that is just being made, may need a moment


class Looks(Protocol):
    """What can be looked at."""

    def look(self, name: str) -> State:
        """Give the state of the release called `name`."""

    def has(self, name: str) -> bool:
        """Whether a release called `name` is installed."""


def lacking(state: State) -> str:
    """Say what a release still lacks, the first thing first; empty where it lacks nothing.

    It must be: KServe has taken up what is wanted; as many pods as the autoscaler's minimum, all made from what is
    wanted, all ready; no pod that was made from anything else, not even one that is leaving; the route in force.
    """
    if state.deployment is None or not _same(state.deployment, state.wanted) or not state.observed:
        return "KServe hasn't taken it up. Does its controller run?"
    if state.replicas < state.least:
        return f"{state.replicas} of at least {state.least} pods wanted by the autoscaler"
    new = [pod for pod in state.pods if _same(pod.made, state.wanted)]
    ready = sum(pod.ready and not pod.leaving for pod in new)
    if ready < state.replicas:
        troubles = sorted({pod.trouble for pod in new if pod.trouble and not pod.leaving})
        return f"{ready} of {state.replicas} new pods ready" + "".join(f"; {trouble}" for trouble in troubles)
    old = [pod.name for pod in state.pods if pod not in new]
    if old:
        return f"{len(old)} old pods still there"
    return state.route


def wait(cluster: Looks, name: str, *, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until the release lacks nothing; each change of what it lacks is said.

    Raises GateClosed after `seconds`, or sooner where waiting is no use: an image that isn't there, a process that
    always crashes.
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
            raise GateClosed(f"{name} isn't as it should be after {time.monotonic() - began:.0f} s: {now}")
        time.sleep(_LOOK_SECONDS)


def _same(found: Made, wanted: Made) -> bool:
    """Compare marks, and images by container: KServe may add containers of its own."""
    there = dict(found.images)
    return found.marks == wanted.marks and all(there.get(name) == image for name, image in wanted.images)
