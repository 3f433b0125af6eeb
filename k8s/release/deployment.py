"""The steps of a deployment: install or upgrade, gate, route, and rollback after a failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from k8s.release import gate
from k8s.release.errors import GateClosed, HelmFailed, ReleaseError
from k8s.release.helm import ROUTE_OFF, Helm, Revision

Say = Callable[[str], None]
_IN_FORCE: Final = ("deployed", "superseded")
_ROLLBACK: Final = re.compile(r"Rollback to (\d+)")  # as Helm writes them


class Deployment:
    """Deploys one release.

    `fullname` is the name of its objects: the release's, unless fullnameOverride is set. `seconds` is how long a
    rollout may take.
    """

    def __init__(self, helm: Helm, cluster: gate.Looks, *, fullname: str, seconds: float, say: Say) -> None:
        self._helm = helm
        self._cluster = cluster
        self._name = fullname
        self._seconds = seconds
        self._say = say

    def deploy(self, chart: str, arguments: tuple[str, ...]) -> None:
        """Install or upgrade, then wait for the gate.

        A first install gets its route only after the gate, so that no traffic reaches the single pod with which KServe
        starts. A first install that fails stays without a route, for inspection; an upgrade that fails is rolled back.
        Raises HelmFailed or GateClosed after that. Raises ReleaseError before any change if the release's history isn't
        in ConfigMaps.
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
        """Wait for the rollout, then run the release's test, which sends golden requests. Raises ReleaseError."""
        self._history()
        self.await_rollout()
        if not self._helm.values().get("test", {}).get("enabled"):
            raise GateClosed(f"{self._name} has no test to run: set test.enabled.")
        try:
            self._helm.test()
        except HelmFailed as error:
            raise GateClosed(
                f"{self._name} doesn't answer its golden requests correctly (`kubectl logs {self._name}-test`). {error}"
            ) from error
        self._say(f"{self._name}: golden requests answered")

    def await_rollout(self) -> None:
        """Wait until all pods are new and ready and the route is in force. Raises GateClosed."""
        gate.wait(self._cluster, self._name, seconds=self._seconds, say=self._say)

    def rollback(self, revision: int | None = None) -> None:
        """Roll back to `revision`, or to the last earlier one that took traffic; then wait for the gate.

        Raises HelmFailed, GateClosed, or ReleaseError if no earlier revision took traffic.
        """
        history = self._history()
        target = revision or earlier(history)
        if target is None:
            raise ReleaseError(f"{self._name} has no earlier revision that took traffic.")
        self._say(f"{self._name}: rolling back to revision {target}")
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
            self._say(f"{self._name}: the rollback failed too: {second}")


def earlier(history: list[Revision]) -> int | None:
    """Return the revision to roll back to: the last one before the present that was deployed with its route.

    A revision from which the release was rolled back doesn't count, though Helm calls it "superseded" like any other.
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
    """Return the revision that this one restored; 0 if it is not a rollback."""
    found = _ROLLBACK.fullmatch(revision.description)
    return int(found[1]) if found else 0
