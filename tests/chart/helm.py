"""Renders the chart with Helm."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.extract import go

ROOT: Final = Path(__file__).parent.parent.parent
CHART: Final = ROOT / "helm/customer-risk"
EXAMPLES: Final = CHART / "examples"
BIN: Final = ROOT / "build/bin"
# The tested versions. The pipeline and the guides use Helm 4; the chart works with Helm 3 too.
VERSIONS: Final = {4: "v4.3.2", 3: "v3.22.0"}
KUBERNETES: Final = "1.34.4"  # the default of a Helm that `go install` built is 1.20


class Refused(Exception):
    """Helm refused to render the chart; the error has Helm's message."""


class Helm:
    """The helm command of one major version."""

    def __init__(self, major: int = 4) -> None:
        self.path = find(major)

    def render(self, *options: str | Path, name: str = "risk", only: str | None = None) -> str:
        """Render the chart, or one of its templates, as a release of this name; raises Refused."""
        command = [self.path, "template", name, CHART, "--namespace", "risk", "--kube-version", KUBERNETES, *options]
        shown = ("--show-only", f"templates/{only}") if only else ()
        done = subprocess.run([*command, *shown], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    @staticmethod
    def values(case: str) -> tuple[Path, Path]:
        """Return an example's values files: that of the environment in its first line, and its own."""
        values = EXAMPLES / case / "values.yaml"
        return CHART / values.read_text(encoding="utf-8").split()[1], values

    def lint(self, *options: str | Path) -> tuple[bool, str]:
        """Return whether `helm lint --strict` passes with these options, and what it prints."""
        command = [self.path, "lint", "--strict", "--kube-version", KUBERNETES, CHART, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout

    def example(self, case: str) -> dict[str, str]:
        """Render an example; return the text of each template that renders an object, by its file's name."""
        text = self.render(*(option for path in self.values(case) for option in ("--values", path)), name=case)
        made: dict[str, str] = {}
        for each in text.split("---\n# Source: ")[1:]:
            source, _, content = each.partition("\n")
            file = Path(source).name
            made[file] = made.get(file, "") + "---\n" + content.rstrip() + "\n"  # Helm 4 adds an empty line
        return made


def find(major: int = 4) -> str:
    """Return the path of the helm command of this major version; if it is missing, Go builds it (in minutes)."""
    target = BIN if major == 4 else BIN / f"helm{major}"
    for folder in (*os.environ["PATH"].split(os.pathsep), str(target)):
        path = shutil.which("helm", path=folder)
        if path and _version(path).startswith(f"v{major}."):
            return path
    return install(f"helm.sh/helm/v{major}/cmd/helm@{VERSIONS[major]}", target)


def install(package: str, target: Path = BIN) -> str:
    """Return the path of a program that Go builds from PACKAGE@VERSION, unless the folder has it.

    Raises FileNotFoundError without Go, and CalledProcessError if the build fails.
    """
    program = target / package.partition("@")[0].rpartition("/")[2]
    if not program.exists():
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run([go(), "install", "-trimpath", package], env=os.environ | {"GOBIN": str(target)}, check=True)
    return str(program)


def _version(path: str) -> str:
    return subprocess.run([path, "version", "--short"], capture_output=True, text=True, check=True).stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a rendered chart."""
    return [each for each in yaml.safe_load_all(text) if each]


def cases() -> list[str]:
    """Return the names of the examples."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/values.yaml"))
