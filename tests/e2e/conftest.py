"""A namespace of the cluster that KUBECONFIG names: emulators, a registry, tokens, and traces of failures.

Environment variables: E2E_IMAGE, E2E_NEXT_IMAGE, E2E_EMULATORS and E2E_OPERATOR (images that `make e2e` loads into the
cluster), E2E_GATEWAY (namespace/name), E2E_URL (the gateway's address), E2E_OUT (folder of results and traces).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import yaml

from customer_risk.model.scoring.bundle import load_bundle, write_bundle
from tests.chart.registry import push, registry
from tests.e2e.cluster import NAMESPACE, PATIENCE, ROOT, apply, forwarded, get, kubectl, start_seconds, until
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer

COMMAND = Path(sys.executable).with_name("customer-risk")
EMULATORS = Path(__file__).parent / "emulators" / "manifests.yaml"
BUCKET, REGISTRY = "decisions", "models"
HOST = "prod.deblock.com"
# FIRST: seconds that the first install may take. FLOOR: seconds that any later rollout may take. STARTS: a rollout may
# also take this many times what the first pods took to become ready. A rollout of two pods has at most four starts,
# one after the other, and old pods end between them.
FIRST, FLOOR, STARTS = 1800.0, 240.0, 12
OUT = Path(os.environ.get("E2E_OUT", ROOT / "build" / "e2e"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a row for each test when it ends."""
    if report.when == "call" or report.failed:
        said = dict(report.user_properties)
        word = "ok    " if report.passed else "FAILED"
        sys.stdout.write(f"\n{word} {report.duration:6.1f} s  {said.get('row', report.nodeid)}")
        if measured := said.get("measured"):
            sys.stdout.write(f"\n                  {measured}")
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def _row(request, record_property) -> Iterator[None]:
    """Record the first line of the test's docstring as its row; if the test fails, save the state of the cluster."""
    record_property("row", (request.function.__doc__ or "").splitlines()[0])
    yield
    if getattr(request.node, "failed_here", False):
        traces(OUT / "failed" / request.node.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """Store on the test that it failed, so that its fixture can read it."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        item.failed_here = True  # type: ignore[attr-defined]
        if call.when == "setup":
            traces(OUT / "failed" / item.name)
    return report


def traces(folder: Path) -> None:
    """Save the events, descriptions and logs of the namespace."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in {
        "events.txt": ("get", "events", "--sort-by", ".lastTimestamp"),
        "objects.txt": ("get", "all,isvc,hpa,pdb,httproute,cm", "--output", "wide"),
        "pods.txt": ("describe", "pods"),
        "services.txt": ("describe", "isvc,hpa,httproute"),
    }.items():
        with contextlib.suppress(AssertionError):
            (folder / name).write_text(kubectl(*arguments))
    with contextlib.suppress(AssertionError):
        for pod in get("pods")["items"]:
            name = pod["metadata"]["name"]
            for last in ((), ("--previous",)):
                with contextlib.suppress(AssertionError):
                    said = kubectl("logs", name, "--all-containers", "--prefix", "--tail", "2000", *last)
                    (folder / f"{name}{'-before' if last else ''}.log").write_text(said)


@dataclass
class Place:
    """The release under test, and what a test needs to call it and to read its record.

    `start` is the number of seconds that its first pods took to become ready; 0 until then.
    """

    url: str
    issuer: Issuer
    versions: tuple[str, str]
    requests: list[dict[str, Any]]
    golden: list[dict[str, Any]]
    storage: str
    tables: str
    streams: str
    values: Path
    answered: list[str] = field(default_factory=list)
    start: float = 0.0

    @property
    def rollout(self) -> float:
        """Return the seconds that a rollout may take: in proportion to `start`, or FIRST until `start` is known."""
        return max(FLOOR, STARTS * self.start) if self.start else FIRST

    def headers(self, *scopes: str) -> dict[str, str]:
        """Return a request's headers; without scopes, no token."""
        token = {"authorization": f"Bearer {self.issuer.token(*scopes)}"} if scopes else {}
        return {"host": HOST} | token

    def config(self, folder: Path, prefix: str = "e2e") -> Path:
        """Write a configuration with which this machine reads the record."""
        sinks = [
            {"type": "gcs", "bucket": BUCKET, "prefix": prefix, "endpoint": self.storage},
            {
                "type": "bigquery",
                "project": "risk",
                "dataset": "decisions",
                "endpoint": self.tables,
                "grpc_endpoint": self.streams,
            },
        ]
        record = {"enabled": True, "folder": str(folder / "outbox"), "ship": {"sinks": sinks}}
        path = folder / "record.yaml"
        path.write_text(yaml.safe_dump({"record": record}))
        return path


@pytest.fixture(scope="session")
def place(bundle, tmp_path_factory) -> Iterator[Place]:
    """The namespace, with everything that the release needs."""
    needed = ("KUBECONFIG", "E2E_IMAGE", "E2E_NEXT_IMAGE", "E2E_EMULATORS", "E2E_OPERATOR")
    missing = [name for name in needed if name not in os.environ]
    if missing:
        pytest.exit(f"end-to-end tests need {', '.join(missing)}: run them by `make e2e`", returncode=2)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    _empty_namespace()
    folder = tmp_path_factory.mktemp("e2e")
    document = EMULATORS.read_text().replace("image: IMAGE", f"image: {os.environ['E2E_EMULATORS']}")
    kubectl("apply", "-f", "-", given=document)
    kubectl("rollout", "status", "deployment/emulators", "--timeout", f"{PATIENCE}s")
    issuer = Issuer()
    token = issuer.token("score", "explain")
    apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "issuer"}, "data": {"jwks.json": issuer.keys()}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": token}},
    )
    second = _another(bundle, folder / "second")
    golden = load_bundle(bundle, verify_golden=False).golden
    with forwarded("service/emulators", 4443, 9050, 9060) as (storage, tables, streams):
        url = f"http://127.0.0.1:{storage}"
        for bucket in (BUCKET, REGISTRY):
            httpx2.post(f"{url}/storage/v1/b", json={"name": bucket}, timeout=PATIENCE).raise_for_status()
        versions = tuple(
            run("registry", "add", each, "--registry", f"gs://{REGISTRY}/registry", "--endpoint", url).strip()
            for each in (bundle, second)
        )
        values = folder / "values.yaml"
        values.write_text(yaml.safe_dump(_values()))
        found = Place(
            url=os.environ.get("E2E_URL") or _gateway_url(),
            issuer=issuer,
            versions=versions,
            requests=[row["request"] for row in golden],
            golden=[row["answer"] for row in golden],
            storage=url,
            tables=f"http://127.0.0.1:{tables}",
            streams=f"http://127.0.0.1:{streams}",
            values=values,
        )
        run("audit", "init", "--config", found.config(folder))
        yield found
    kubectl("delete", "namespace", NAMESPACE, "--wait=false", namespace=None)


@pytest.fixture(scope="session")
def packaged(tmp_path_factory) -> str:
    """The chart's package, built by `make chart` and pulled from a registry."""
    helm, folder = os.environ.get("HELM", "helm"), tmp_path_factory.mktemp("chart")
    with registry() as address:
        push(helm, address)
        command = [helm, "pull", f"oci://{address}/charts/customer-risk", "--plain-http", "--destination", folder]
        subprocess.run(command, check=True, capture_output=True)
    (package,) = folder.glob("*.tgz")
    return str(package)


@pytest.fixture
def deploy(place, packaged):
    """A function that deploys a release into the namespace with `python -m k8s.release` and returns its output."""

    def deployed(release: str = "risk", *, fails: bool = False, values: Path | None = None, **sets: object) -> str:
        chosen = {"model.bundle": place.versions[0]} | _image(os.environ["E2E_IMAGE"]) | sets
        command = [sys.executable, "-m", "k8s.release", "deploy", "--release", release, "--namespace", NAMESPACE]
        command += [
            "--chart",
            packaged,
            "--values",
            "helm/customer-risk/values-local.yaml",
            "--values",
            str(place.values),
        ]
        command += ["--values", str(values)] if values else []
        command += [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
        command += ["--seconds", f"{place.rollout:.0f}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        if not (fails or place.start):
            place.start = start_seconds(pods(release))
        return done.stdout + done.stderr

    return deployed


def pods(release: str = "risk") -> list[dict[str, Any]]:
    """Return the pods of a release."""
    return get("pods", "--selector", f"serving.kserve.io/inferenceservice={release}")["items"]


def run(*arguments: object) -> str:
    """Run `python -m k8s.release`."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _image(image: str) -> dict[str, str]:
    repository, _, tag = image.rpartition(":")
    return {"image.repository": repository, "image.tag": tag}


def _values() -> dict[str, Any]:
    inside = "http://emulators"
    gateway_namespace, gateway = os.environ.get("E2E_GATEWAY", "gateway-system/gateway").split("/")
    return {
        "model": {"registry": f"gs://{REGISTRY}/registry", "endpoint": f"{inside}:4443"},
        "auth": {"enabled": True, "issuer": ISSUER, "audience": AUDIENCE, "jwksConfigMap": "issuer"},
        "test": {"tokenSecret": "token"},
        "probes": {"startupSeconds": 1200},  # longer than the gate's limit, so that the gate fails first
        "record": {
            "sinks": [
                {"type": "gcs", "bucket": BUCKET, "prefix": "e2e", "endpoint": f"{inside}:4443"},
                {
                    "type": "bigquery",
                    "project": "risk",
                    "dataset": "decisions",
                    "endpoint": f"{inside}:9050",
                    "grpc_endpoint": f"{inside}:9060",
                },
            ]
        },
        "route": {
            "enabled": True,
            "host": HOST,
            "gateway": {"namespace": gateway_namespace, "name": gateway},
            "timeout": f"{PATIENCE}s",  # a gateway's default, often 15 s, is too short for a slow machine
        },
    }


def _gateway_url() -> str:
    namespace, name = os.environ.get("E2E_GATEWAY", "gateway-system/gateway").split("/")
    gateway = json.loads(kubectl("get", "gateway", name, "--output", "json", namespace=namespace))
    return f"http://{gateway['status']['addresses'][0]['value']}"


def _empty_namespace() -> None:
    with contextlib.suppress(AssertionError):
        kubectl("delete", "namespace", NAMESPACE, "--timeout", f"{PATIENCE}s", namespace=None)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    apply(document, namespace=None)
    until(lambda: get("serviceaccount", "default"), "the namespace is ready")


def _another(bundle: Path, folder: Path) -> Path:
    """Write a bundle with the same answers and a different hash, as a new training makes."""
    loaded = load_bundle(bundle, verify_golden=False)
    files = {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "manifest.json"}
    write_bundle(
        folder, msgspec.structs.replace(loaded.manifest, seed=loaded.manifest.seed + 1, files={}, seal=""), files
    )
    return folder
