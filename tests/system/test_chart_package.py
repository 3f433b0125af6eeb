"""The chart's package, its README, and its description."""

from __future__ import annotations

import shutil
import subprocess
import tarfile

import pytest
import yaml

from tests.chart.helm import CHART, KUBERNETES, ROOT, Helm
from tests.chart.registry import push, registry

pytestmark = pytest.mark.system


def test_the_readme_is_current(tmp_path) -> None:
    """`scripts/chart/readme` updates it from values.yaml and Chart.yaml."""
    copy = tmp_path / "customer-risk"
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("examples", "README.md"))
    subprocess.run([ROOT / "scripts/chart/readme", copy], check=True, capture_output=True)
    assert (copy / "README.md").read_text(encoding="utf-8") == (CHART / "README.md").read_text(encoding="utf-8")


def test_the_chart_describes_itself_to_catalogues() -> None:
    """Chart.yaml has home, icon, sources, maintainers and keywords, and annotations that Artifact Hub can parse."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["home"] in chart["sources"]
    assert all(chart[key] for key in ("maintainers", "keywords"))
    icon = ROOT / chart["icon"].partition("/main/")[2]
    assert icon.read_text(encoding="utf-8").startswith("<svg xmlns=")
    annotations = chart["annotations"]
    assert annotations["artifacthub.io/license"] == "Apache-2.0"
    assert {each["kind"] for each in yaml.safe_load(annotations["artifacthub.io/changes"])} <= {
        "added",
        "changed",
        "fixed",
    }
    for link in yaml.safe_load(annotations["artifacthub.io/links"]):
        assert (ROOT / link["url"].partition("/main/")[2]).is_file(), link


def test_a_release_is_rendered_from_a_registry(helm: Helm, tmp_path) -> None:
    """The package of `make chart` renders from oci:// what the folder renders, and has the environments' values."""
    values = ["--values", CHART / "values-local.yaml", "--values", CHART / "examples/local/values.yaml"]
    with registry() as address:
        push(helm.path, address)
        source = [f"oci://{address}/charts/customer-risk", "--plain-http"]
        command = [helm.path, "template", "risk", *source, "--namespace", "risk", "--kube-version", KUBERNETES, *values]
        rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        subprocess.run([helm.path, "pull", *source, "--destination", tmp_path], check=True, capture_output=True)
    assert rendered == helm.render(*values)
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as file:
        names = {name.removeprefix("customer-risk/") for name in file.getnames()}
    assert {
        "README.md",
        "values.schema.json",
        "values-local.yaml",
        "values-production.yaml",
        "values-staging.yaml",
    } <= names
    assert not [name for name in names if name.startswith("examples") or name.endswith(".gotmpl")]
