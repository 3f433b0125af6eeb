"""The chart as Helm renders it."""

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
# The tested release of each major version. The pipeline and the guides use Helm 4; the chart works with Helm 3 too.
VERSIONS: Final = {4: "v4.3.2", 3: "v3.22.0"}
KUBERNETES: Final = "1.34.4"  # a Helm that was built by `go install` takes itself for 1.20's


class Refused(Exception):
    """Helm's words where the chart doesn't render."""


class Helm:
    """The helm command of a major version."""

    def __init__(self, major: int = 4) -> None:
        self.path = find(major)

    def render(self, *options: str | Path, name: str = "risk", only: str | None = None) -> str:
        """Render the chart as a release of this name, or one of its templates; raises Refused."""
        command = [self.path, "template", name, CHART, "--namespace", "risk", "--kube-version", KUBERNETES, *options]
        shown = ("--show-only", f"templates/{only}") if only else ()
        done = subprocess.run([*command, *shown], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    @staticmethod
    def values(case: str) -> tuple[Path, Path]:
        """Give an example's values files: the chart's, which the example's first line names, and its own."""
        values = EXAMPLES / case / "values.yaml"
        return CHART / values.read_text(encoding="utf-8").split()[1], values

    def lint(self, case: str) -> str:
        """Say what `helm lint --strict` finds with an example's values."""
        options = [option for path in self.values(case) for option in ("--values", path)]
        command = [self.path, "lint", "--strict", "--kube-version", KUBERNETES, CHART, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def example(self, case: str) -> dict[str, str]:
        """Render an example: the text of each template that makes something, by its file's name."""
        text = self.render(*(option for path in self.values(case) for option in ("--values", path)), name=case)
        made: dict[str, str] = {}
        for each in text.split("---\n# Source: ")[1:]:
            source, _, content = each.partition("\n")
            file = Path(source).name
            made[file] = made.get(file, "") + "---\n" + content.rstrip() + "\n"  # Helm 4 adds an empty line
        return made


def find(major: int = 4) -> str:
    """Return the path of a helm command of this major version.

    Go builds it where it is missing, which takes minutes once. Raises CalledProcessError where the build fails and
    FileNotFoundError without Go.
    """
    target = ROOT / "build/bin" if major == 4 else ROOT / f"build/bin/helm{major}"
    for folder in (*os.environ["PATH"].split(os.pathsep), str(target)):
        path = shutil.which("helm", path=folder)
        if path and _version(path).startswith(f"v{major}."):
            return path
    target.mkdir(parents=True, exist_ok=True)
    command = [go(), "install", "-trimpath", f"helm.sh/helm/v{major}/cmd/helm@{VERSIONS[major]}"]
    subprocess.run(command, env=os.environ | {"GOBIN": str(target)}, check=True)
    return str(target / "helm")


def _version(path: str) -> str:
    return subprocess.run([path, "version", "--short"], capture_output=True, text=True, check=True).stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Give the objects of a render."""
    return [each for each in yaml.safe_load_all(text) if each]


def cases() -> list[str]:
    """Name the examples."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/values.yaml"))
