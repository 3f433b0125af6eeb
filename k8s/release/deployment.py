"""Deploying, step by step: what is installed, when it takes traffic, what becomes of it when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from k8s.release import gate
from k8s.release.errors import GateClosed, HelmFailed, ReleaseError
from k8s.release.helm import ROUTE_OFF, Helm, Revision

Say = Callable[[str], None]
_IN_FORCE: Final = ("deployed", "superseded")
_ROLLBACK: Final = re.compile(r"Rollback to (\d+)")  # Helm's own words


class Deployment:
    """One release's way into a cluster.

    `fullname` is what its objects are called: the release's name, unless the chart was told otherwise. `seconds` is how
    long a rollout may take.
    """

    def __init__(self, helm: Helm, cluster: gate.Looks, *, fullname: str, seconds: float, say: Say) -> None:
        self._helm = helm
        self._cluster = cluster
        self._name = fullname
        self._seconds = seconds
        self._say = say

    def deploy(self, chart: Path, arguments: tuple[str, ...]) -> None:
        """Install or upgrade, then hold the release to the gate.

        A first install has its route only after the gate, so that no traffic meets the single pod that KServe begins
        with; where it fails it stays, without a route, to be looked at. An upgrade that fails is rolled back.
        Raises HelmFailed or GateClosed, after that. Raises ReleaseError, before anything is changed, if the release's
        history isn't in ConfigMaps.
        """
        history = self._history()
        served = [each for each in history if each.description != ROUTE_OFF and each.status in _IN_FORCE]
        if not served:
            self._say(f"{self._name}: first install, without its route")
            self._helm.upgrade(chart, (*arguments, "--set", "route.enabled=false"), description=ROUTE_OFF)
            self.gate()
            self._helm.upgrade(chart, arguments)
            self.await_rollout()
            return
        try:
            self._helm.upgrade(chart, arguments)
            self.gate()
        except ReleaseError as error:
            self._return_to(served[-1].revision, error)
            raise

    def gate(self) -> None:
        """Wait for the rollout, then run the release's own test: the golden requests. Raises ReleaseError."""
        self._history()
        self.await_rollout()
        if not self._helm.values().get("test", {}).get("enabled"):
            raise GateClosed(f"{self._name} has no test to run: set test.enabled.")
        try:
            self._helm.test()
        except HelmFailed as error:
            raise GateClosed(
                f"{self._name} doesn't answer its golden requests (`kubectl logs {self._name}-test`). {error}"
            ) from error
        self._say(f"{self._name}: golden requests answered")

    def await_rollout(self) -> None:
        """Wait until all pods are new and ready and the route is in force. Raises GateClosed."""
        gate.wait(self._cluster, self._name, seconds=self._seconds, say=self._say)

    def rollback(self, revision: int | None = None) -> None:
        """Go back to `revision`, or to the one before the present that took traffic; then the gate.

        Raises ReleaseError where there is none, HelmFailed or GateClosed.
        """
        history = self._history()
        target = revision or earlier(history)
        if target is None:
            raise ReleaseError(f"{self._name} has no earlier revision that took traffic.")
        self._say(f"{self._name}: back to revision {target}")
        self._helm.rollback(target)
        self.gate()

    def _history(self) -> list[Revision]:
        """Return the release's revisions; raises ReleaseError if it is installed but no ConfigMap has a revision."""
        history = self._helm.history()
        if not history and self._cluster.has(self._name):
            raise ReleaseError(
                f"{self._name} is installed, but no ConfigMap has its history: an earlier version of this command, or "
                "helm without HELM_DRIVER=configmap, kept it in Secrets. Move it once, with an account that may read "
                "and delete the namespace's Secrets: "
                "python -m k8s.release move --release RELEASE --namespace NAMESPACE"
            )
        return history

    def _return_to(self, revision: int, error: ReleaseError) -> None:
        self._say(f"{self._name}: {error}")
        self._say(f"{self._name}: rolling back to revision {revision}")
        try:
            self._helm.rollback(revision)
            self.await_rollout()
        except ReleaseError as second:
            self._say(f"{self._name}: going back failed too: {second}")


def earlier(history: list[Revision]) -> int | None:
    """Name the revision to go back to: the last before the present that was in force with its route.

    A revision that was rolled back from isn't one, though Helm calls it "superseded" as any other.
    """
    back = {each.revision: _target(each) for each in history}
    present = history[-1].revision if history else 0
    while back.get(present):
        present = back[present]
    for each in reversed(history):
        left = any(target and target < each.revision < at for at, target in back.items())
        if each.revision < present and each.status == "superseded" and each.description != ROUTE_OFF and not left:
            return each.revision
    return None


def _target(revision: Revision) -> int:
    """Say which revision this one went back to, 0 where it is no rollback."""
    found = _ROLLBACK.fullmatch(revision.description)
    return int(found[1]) if found else 0
