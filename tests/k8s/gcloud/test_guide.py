"""The guides agree with the commands, prices and versions in the repository."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml
from click.testing import CliRunner

from customer_risk.serving.settings import load_settings
from k8s.gcloud import costs
from k8s.gcloud.commands import main
from k8s.gcloud.site import Site
from k8s.gcloud.values import values
from tests.chart.extract import KSERVE
from tests.chart.helm import VERSIONS

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guide/gke.md").read_text(encoding="utf-8")
LOCAL = (ROOT / "docs/guide/local-cluster.md").read_text(encoding="utf-8")


def test_the_guides_command_is_valid() -> None:
    """The guide's setup command has only valid options, and prints a plan."""
    line = re.search(r"^setup (setup --host .*)", GUIDE.replace("\\\n", " "), re.MULTILINE)[1]
    done = CliRunner().invoke(main, ["--project", "some-project", *shlex.split(line, comments=True)])
    assert done.exit_code == 0, done.output
    assert all(f"group:{group}@example.com" in done.output for group in ("audit", "privacy", "risk-models", "release"))


def test_the_guides_costs_are_current() -> None:
    """The guide has the costs that the command prints from the present unit prices."""
    assert CliRunner().invoke(costs.main, []).output in GUIDE


def test_larger_quantities_cost_more() -> None:
    """More nodes, pods, decisions or merges increase the costs."""

    def together(*options: str) -> float:
        last = CliRunner().invoke(costs.main, options).output.splitlines()[-1]
        return float(re.search(r"\*\*([\d,]+)\*\* \|$", last)[1].replace(",", ""))

    for option, more in (("--nodes", "6"), ("--pods", "20"), ("--decisions", "100000000"), ("--merges", "400")):
        assert together(option, more) > together(), option


def test_every_price_has_its_page_and_date() -> None:
    """Each price has the page and the date of its look-up."""
    document = yaml.safe_load((Path(costs.__file__).parent / "prices.yaml").read_text(encoding="utf-8"))
    assert document["as_of"].isoformat() in GUIDE
    for name, price in document["prices"].items():
        assert set(price) == {"usd", "per", "read", "page"}, name
        assert price["page"].startswith("cloud.google.com/"), name


def test_the_guides_sinks_are_those_of_the_pods(tmp_path: Path) -> None:
    """The guide's sinks for `audit init` are those of the pipeline's values."""
    text = re.search(r"<<END\n(.*?)END\n", GUIDE, re.DOTALL)[1].replace("$PROJECT", "some-project")
    (tmp_path / "init.yaml").write_text(text, encoding="utf-8")
    told = load_settings(tmp_path / "init.yaml", server={}).record.ship.sinks
    digest = "a" * 64
    site = Site(project="some-project")
    image = f"{site.images}/customer-risk@sha256:{digest}"
    deployed = values(site, "staging", image=image, bundle=digest, host="h", issuer="i", audience="a")["record"][
        "sinks"
    ]
    wanted = load_settings(_written(tmp_path, {"record": {"ship": {"sinks": deployed}}}), server={}).record.ship.sinks
    assert told == wanted


def _written(folder: Path, settings: dict[str, object]) -> Path:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_a_local_cluster_installs_kserve_as_gke_does() -> None:
    """A local cluster gets the same three installs as GKE, before `apply -k` changes their settings."""
    installs = re.findall(r"^helm install .*$", GUIDE, re.MULTILINE)
    assert len(installs) == 3
    assert re.findall(r"^helm install .*$", LOCAL, re.MULTILINE) == installs
    gateway = yaml.safe_load((ROOT / "k8s/overlays/local/gateway.yaml").read_text(encoding="utf-8"))
    (made,) = re.findall(r"^kind: GatewayClass\nmetadata: \{name: (\w+)\}$", LOCAL, re.MULTILINE)
    assert made == gateway["spec"]["gatewayClassName"]
    applied = LOCAL.index("kubectl apply -k k8s/overlays/local")
    assert all(LOCAL.index(each) < applied for each in [*installs, "kind: GatewayClass", "components.yaml"])
    assert f"service/envoy-{gateway['metadata']['name']} " in LOCAL


def test_guides_and_pipeline_have_the_tested_versions() -> None:
    """The guide and KServe's values have the tested KServe; pipeline and end-to-end test have the tested Helm."""
    kserve = KSERVE.partition("@")[2]
    assert set(re.findall(r"kserve/charts/\S+ --version (\S+)", GUIDE)) == {kserve}
    values = yaml.safe_load((ROOT / "k8s/kserve/values.yaml").read_text(encoding="utf-8"))
    assert values["kserve"]["version"] == kserve
    assert f"\nversion={VERSIONS[4]}\n" in (ROOT / "scripts/cloudbuild/tools").read_text(encoding="utf-8")
    assert f"helm.sh/helm/v3/cmd/helm@{VERSIONS[3]}\n" in (ROOT / ".ci/e2e").read_text(encoding="utf-8")
