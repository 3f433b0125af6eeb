"""Which options the helm command gets, by its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.release.errors import HelmFailed
from k8s.release.helm import Helm

FORCED = "--server-side=true --force-conflicts"


def _helm(folder: Path, version: str) -> tuple[Helm, Path]:
    """Return a stand-in for this version of Helm, and the file to which it writes the arguments of its last call."""
    program, told = folder / "helm", folder / "told"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *version*) echo "{version}" ;; *) echo "$HELM_DRIVER $*" > {told} ;; esac\n'
    )
    program.chmod(0o755)
    return Helm("risk", "here", program=str(program)), told


@pytest.mark.parametrize(("version", "forced"), [("v4.3.2+gabcdef0", True), ("v4.3", True), ("v3.22.0+g1", False)])
def test_the_charts_values_replace_an_edit_by_hand(tmp_path: Path, version: str, forced: bool) -> None:
    """Helm 4 gets the options for this in each upgrade and rollback; Helm 3 needs none and doesn't know them."""
    helm, told = _helm(tmp_path, version)
    for act in (lambda: helm.upgrade(Path("chart"), ("--set", "a=b")), lambda: helm.rollback(3)):
        act()
        assert (FORCED in told.read_text()) == forced, told.read_text()


def test_releases_are_kept_in_config_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command runs helm with the driver `configmap`, whatever HELM_DRIVER is in the environment."""
    monkeypatch.setenv("HELM_DRIVER", "secret")
    helm, told = _helm(tmp_path, "v4.3.2")
    for act in (lambda: helm.upgrade(Path("chart"), ()), lambda: helm.rollback(3), helm.test, helm.uninstall):
        act()
        assert told.read_text().startswith("configmap ")


def test_a_program_other_than_helm_is_refused(tmp_path: Path) -> None:
    """The error is raised before the program changes anything, and has the program's output."""
    helm, told = _helm(tmp_path, "some other helm")
    with pytest.raises(HelmFailed, match="'some other helm', which is not a version of Helm"):
        helm.rollback(3)
    assert not told.exists()
