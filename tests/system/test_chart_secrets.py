"""Secrets: each container has only those that it reads, and no value of the chart has secret content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, EXAMPLES, Helm, Refused, cases, objects

pytestmark = pytest.mark.system

KEY = "record.keySecret.name=id-key"
HASHED = f"{KEY},record.customerId=hashed"
REDIS = "store.urlSecret.name=redis-url"
BATCH = "batch.settings.record.customer_id=hashed,batch.settings.record.key_file=/etc/customer-risk/secrets/record-key"
# Examples with further values: some read the Secrets that they name, others don't.
VARIANTS = [
    ("staging", HASHED),
    ("staging", KEY),
    ("staging", REDIS),
    ("staging", f"{REDIS},store.kind=redis,networkPolicy.enabled=false"),
    ("local", f"{HASHED},record.enabled=false"),
    ("local", "auth.enabled=false"),
    ("batch", f"{HASHED},{BATCH}"),
    ("batch", f"{KEY},{BATCH}"),
    ("batch", f"{HASHED},batch.settings.record.enabled=false"),
]
# Values that have `secret`, `key` or `token` in their names, and hold only references or a time.
REFERENCES = {
    "image.pullSecrets",
    "auth.unknownKeySeconds",
    "store.urlSecret",
    "store.urlSecret.key",
    "record.keySecret",
    "record.keySecret.key",
    "test.tokenSecret",
    "test.tokenKey",
}


def _rendered(case: str) -> list[dict[str, Any]]:
    files = sorted((EXAMPLES / case / "rendered").iterdir())
    return [each for path in files for each in objects(path.read_text(encoding="utf-8"))]


def _pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in documents:
        if each["kind"] == "InferenceService":
            yield each["spec"]["predictor"]
        elif each["kind"] == "CronJob":
            yield each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["spec"]


def _containers(documents: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for pod in _pods(documents):
        for each in (*pod.get("initContainers", ()), *pod["containers"]):
            yield pod, each


def _mounted(pod: dict[str, Any], container: dict[str, Any]) -> set[str]:
    """Return the paths of files of Secrets in a container."""
    volumes = {each["name"]: each for each in pod["volumes"]}
    found = set()
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        sources = [each["secret"] for each in volume.get("projected", {}).get("sources", ()) if "secret" in each]
        if "secret" in volume:
            sources.append(volume["secret"])
        found |= {f"{mount['mountPath']}/{item['path']}" for source in sources for item in source["items"]}
    return found


def _read(container: dict[str, Any], config: dict[str, str]) -> set[str]:
    """Return the files of Secrets that a container's command reads: its arguments and settings name them."""
    command, *arguments = container["args"]
    if command == "serve":
        settings = yaml.safe_load(config["serving.yaml"])
        store = {settings["store"].get("url_file", "")} if settings["store"]["kind"] == "redis" else set()
        return (store | _key(settings["record"])) - {""}
    if command == "batch":
        return _key(yaml.safe_load(config["batch.yaml"]).get("record", {})) - {""}
    if command == "golden":
        return {arguments[arguments.index("--token-file") + 1]} if "--token-file" in arguments else set()
    assert command in {"ship", "registry"}  # test_record_shipper runs the shipper without the files of Secrets
    return set()


def _key(record: dict[str, Any]) -> set[str]:
    hashed = record.get("enabled", False) and record.get("customer_id") == "hashed"
    return {record.get("key_file", "")} if hashed else set()


def _config(documents: list[dict[str, Any]]) -> dict[str, str]:
    (found,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    return found


@pytest.mark.parametrize(
    ("case", "index"),
    [
        pytest.param(case, index, id=f"{case}-{index}-{container['name']}")
        for case in cases()
        for index, (_, container) in enumerate(_containers(_rendered(case)))
    ],
)
def test_a_container_mounts_exactly_the_secrets_that_it_reads(case: str, index: int) -> None:
    """Each container of each example mounts exactly the files of Secrets that its command reads."""
    documents = _rendered(case)
    pod, container = list(_containers(documents))[index]
    assert _mounted(pod, container) == _read(container, _config(documents))


@pytest.mark.parametrize(("case", "change"), VARIANTS)
def test_a_secret_that_no_setting_reads_is_not_mounted(helm: Helm, case: str, change: str) -> None:
    """Each container mounts exactly the files of Secrets that its settings read, whatever Secrets the values name."""
    options = [option for path in helm.values(case) for option in ("--values", path)]
    documents = objects(helm.render(*options, "--set", change))
    for pod, container in _containers(documents):
        assert _mounted(pod, container) == _read(container, _config(documents)), container["name"]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("store.url", "redis://:hunter2@redis:6379/0"),
        ("auth.issuer", "https://user:hunter2@login.example.com/"),
        ("model.endpoint", "http://user@emulators:4443"),
        ("record.sinks[0].endpoint", "http://user:hunter2@emulators:4443"),
        ("batch.settings.input.endpoint", "https://user:hunter2@bank.example"),
        ("serviceAccount.annotations.note", "see https://user:hunter2@bank.example"),
    ],
)
def test_a_url_with_a_password_is_refused_in_every_value(helm: Helm, path: str, url: str) -> None:
    """A value that has a URL with a user or password is refused by its name, and the message has no password."""
    options = [option for each in helm.values("batch") for option in ("--values", each)]
    with pytest.raises(Refused, match=rf"{re.escape(path)} has a user or password") as refused:
        helm.render(*options, "--set", f"{path}={url}")
    assert "hunter2" not in str(refused.value)


def test_no_value_is_a_secret() -> None:
    """No value other than the references has a name like a password, a token or a key."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    words = ("password", "secret", "token", "key", "credential")
    named = {path for path in _paths(schema) if any(word in path.rpartition(".")[2].lower() for word in words)}
    assert named == REFERENCES


def _paths(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, inner in schema.get("properties", {}).items():
        yield f"{before}{key}"
        yield from _paths(inner, f"{before}{key}.")
