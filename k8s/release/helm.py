"""The helm command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cached_property
from typing import Any, Final

import msgspec

from k8s.release.errors import HelmFailed

ROUTE_OFF: Final = "installed without its route"
# Helm's default is to keep releases in Secrets. Kubernetes can't grant access to these Secrets only, so every deployer
# could read every Secret of the namespace.
DRIVER: Final = {"HELM_DRIVER": "configmap"}


class Revision(msgspec.Struct, frozen=True):
    """One line of a release's history."""

    revision: int
    status: str
    description: str = ""


class Helm:
    """One release in one namespace, managed with Helm 4 or Helm 3.

    `program` is the helm command. The default is $HELM, or else helm on the PATH.
    """

    def __init__(self, release: str, namespace: str, *, program: str | None = None) -> None:
        self.release = release
        self.namespace = namespace
        found = program or os.environ.get("HELM") or shutil.which("helm")
        if not found:
            raise HelmFailed("helm is not on the PATH. Install Helm 4, or set HELM to its path.")
        self._program = found

    @cached_property
    def major(self) -> int:
        """The first number of the command's version: 4 or 3."""
        said = self._run("version", "--short").stdout
        found = re.match(r"v(\d+)\.", said)
        if not found:
            raise HelmFailed(
                f"{self._program} version printed {said.strip()!r}, which is not a version of Helm. "
                "Set HELM to the path of Helm 4."
            )
        return int(found[1])

    @property
    def _applying(self) -> tuple[str, ...]:
        """The options that make each upgrade and rollback replace manual edits with the chart's values.

        Helm 3 replaces them without an option. Helm 4 uses server-side apply, which refuses to change a field that
        another client set: an edit made during an incident would stop the next upgrade and the rollback. The options
        also let Helm 4 take over a release that Helm 3 installed.
        """
        return ("--server-side=true", "--force-conflicts") if self.major >= 4 else ()

    def history(self) -> list[Revision]:
        """Return the release's revisions, the oldest first; an empty list if no ConfigMap has any."""
        done = self._run("history", self.release, "--output", "json", "--max", "256", fail=False)
        if done.returncode:
            if "not found" in done.stderr:
                return []
            raise HelmFailed(_said(done))
        return msgspec.json.decode(done.stdout, type=list[Revision])

    def upgrade(self, chart: str, arguments: tuple[str, ...], *, description: str = "") -> None:
        """Install or upgrade the release from `chart`; `arguments` are helm's own (--values, --set)."""
        said = ("--description", description) if description else ()
        self._run(
            "upgrade", self.release, chart, "--install", "--history-max", "20", *self._applying, *said, *arguments
        )

    def values(self) -> dict[str, Any]:
        """Return all values of the release, defaults included."""
        return msgspec.json.decode(
            self._run("get", "values", self.release, "--all", "--output", "json").stdout, type=dict[str, Any]
        )

    def rollback(self, revision: int) -> None:
        """Restore the release of `revision`, as its next revision."""
        self._run("rollback", self.release, str(revision), "--history-max", "20", *self._applying)

    def uninstall(self) -> None:
        """Remove the release, and wait until all its objects are gone."""
        self._run("uninstall", self.release, "--wait", "--timeout", "5m", "--cascade", "foreground")

    def test(self) -> str:
        """Run the release's test; return Helm's output. The pod of a failed test stays, for its log."""
        # Not with --logs: that fails, because the pod of a successful test is deleted.
        return self._run("test", self.release, "--timeout", "5m").stdout

    def _run(self, *arguments: str, fail: bool = True) -> subprocess.CompletedProcess[str]:
        command = [self._program, "--namespace", self.namespace, *arguments]
        done = subprocess.run(  # noqa: S603  no shell is involved
            command, capture_output=True, text=True, check=False, env=os.environ | DRIVER
        )
        if fail and done.returncode:
            raise HelmFailed(_said(done))
        return done


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"helm {done.args[3]}: {(done.stderr or done.stdout).strip()}"
