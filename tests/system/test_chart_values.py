"""The chart's values: their schema, their comments, and the service's settings that they become."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from customer_risk.serving.bulk.tables.settings import load_settings as load_batch
from customer_risk.serving.settings import Settings, load_settings
from k8s.values_schema import NO_VALUES
from tests.chart.helm import CHART, Helm, cases, objects

pytestmark = pytest.mark.system

VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
# Values that aren't settings: those for Kubernetes, and those that become a setting with another name.
KUBERNETES_OWN = {
    "server.pre_stop_seconds",
    "rules.text",
    "auth.jwks_config_map",
    "store.url_secret",
    "record.sinks",
    "record.outbox_size",
    "record.key_secret",
    "record.spool",
}


def test_values_and_schema_name_the_same_keys() -> None:
    """Each value of the schema has a default, except those that were renamed, and each default is in the schema."""
    assert set(_keys(VALUES)) == set(_named(SCHEMA)) - {"disruption", "spread"}


def test_the_schema_refuses_unknown_keys_at_every_depth() -> None:
    """A misspelt key is refused at every depth, except in labels, objects of Kubernetes and the batch's file."""
    open_ones = [
        where
        for where, schema in _schemas(SCHEMA, "")
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False
    ]
    assert sorted(set(open_ones)) == [
        ".affinity.nodeAffinity",
        ".affinity.podAffinity",
        ".affinity.podAntiAffinity",
        ".alerts.labels",
        ".batch.settings",
        ".dashboards.annotations",
        ".dashboards.labels",
        ".extraEnv.valueFrom",
        ".extraVolumes",
        ".model.registryVolume.csi.volumeAttributes",
        ".monitoring.labels",
        ".nodeSelector",
        ".podAnnotations",
        ".podLabels",
        ".serviceAccount.annotations",
        ".topologySpreadConstraints.labelSelector",
    ]


@pytest.mark.parametrize("case", cases())
def test_the_service_accepts_the_rendered_settings(helm: Helm, case: str, tmp_path: Path) -> None:
    """`customer-risk serve` and `ship` accept the rendered settings."""
    settings = _settings(helm, case, tmp_path)
    assert settings.server.stay_up
    assert not settings.record.ship.embedded
    if settings.record.customer_id == "as_given":  # otherwise it reads the key, which only the pod has
        settings.record.check()


def test_the_batch_accepts_its_rendered_settings(helm: Helm, tmp_path: Path) -> None:
    """`customer-risk batch` accepts its settings; its outbox is on a disk of the pod that survives a restart."""
    (config,) = objects(helm.example("batch")["configmap.yaml"])
    file = tmp_path / "batch.yaml"
    file.write_text(config["data"]["batch.yaml"], encoding="utf-8")
    folder = load_batch(file).record.folder
    (job,) = objects(helm.example("batch")["batch.yaml"])
    spec = job["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    assert folder in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert (pod["restartPolicy"], "podFailurePolicy" in spec) == ("OnFailure", False)


def test_a_batch_hashes_customers_ids_with_the_services_key_and_has_its_rules(helm: Helm, tmp_path: Path) -> None:
    """The batch's settings name files that its pod mounts: the server's Secret and its rule set."""
    record = "customer_id=hashed,batch.settings.record.key_file=/etc/customer-risk/secrets/record-key"
    changes = (
        "record.customerId=hashed,record.keySecret.name=id-key,record.keySecret.key=id,rules.text=version: 7",
        f"batch.settings.record.{record},batch.settings.rules.file=/etc/customer-risk/rules.yaml",
    )
    options = [option for path in helm.values("batch") for option in ("--values", str(path))]
    documents = objects(helm.render(*options, *(each for change in changes for each in ("--set", change))))
    (config,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    (service,) = (each["spec"]["predictor"] for each in documents if each["kind"] == "InferenceService")
    (job,) = (each["spec"]["jobTemplate"]["spec"]["template"] for each in documents if each["kind"] == "CronJob")
    mounted, servers = _config_files(job["spec"]), _config_files(service)
    file = tmp_path / "batch.yaml"
    file.write_text(config["batch.yaml"].replace("/etc/customer-risk/secrets/record-key", str(_key(tmp_path))))
    assert load_batch(file).record.key() is not None
    settings = yaml.safe_load(config["batch.yaml"])
    for path in (settings["record"]["key_file"], settings["rules"]["file"]):
        assert mounted[path] == servers[path]
    assert mounted["/etc/customer-risk/secrets/record-key"] == ("id-key", "id")


def test_a_batch_that_records_nothing_has_no_key(helm: Helm) -> None:
    """The Secret of the key isn't mounted if the batch doesn't record."""
    options = [option for path in helm.values("batch") for option in ("--values", str(path))]
    change = "record.customerId=hashed,record.keySecret.name=id-key,batch.settings.record.enabled=false"
    (job,) = objects(helm.render(*options, "--set", change, only="batch.yaml"))
    assert list(_config_files(job["spec"]["jobTemplate"]["spec"]["template"]["spec"])) == [
        "/etc/customer-risk/batch.yaml"
    ]


def test_a_batch_without_a_record_is_not_retried_after_a_permanent_error(helm: Helm) -> None:
    """Exit codes 2 and 3 end the job at once; its pods aren't restarted."""
    options = [option for path in helm.values("batch") for option in ("--values", str(path))]
    documents = objects(helm.render(*options, "--set", "batch.settings.record.enabled=false"))
    (job,) = (each["spec"]["jobTemplate"]["spec"] for each in documents if each["kind"] == "CronJob")
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2, 3]


def test_a_value_becomes_the_setting_of_its_name(helm: Helm, tmp_path: Path) -> None:
    """Large and small numbers, texts, lists and nulls arrive as they were written."""
    settings = _settings(helm, "production-gke", tmp_path)
    assert settings.model_name == "customer-risk"
    assert settings.server.drain_seconds == 15
    assert settings.server.keep_alive_seconds == 620
    assert settings.jobs.most_bytes == 268_435_456
    assert settings.limits.requests_per_second == 200
    assert settings.auth.jwks == "https://login.example.com/keys"
    assert settings.store.url_file == "/etc/customer-risk/secrets/store-url"
    assert settings.record.key_file == "/etc/customer-risk/secrets/record-key"
    assert settings.record.ship.spool == "/var/lib/customer-risk/spool"
    sinks = msgspec.to_builtins(settings.record.ship.sinks)
    assert [(each["type"], each.get("bucket", each.get("dataset"))) for each in sinks] == [
        ("gcs", "bank-decisions"),
        ("bigquery", "decisions"),
    ]


def test_every_setting_has_a_value_or_is_set_by_the_chart() -> None:
    """Each setting of the service has a value in the chart, or the chart sets it."""
    settings = set(_keys(msgspec.json.decode(msgspec.json.encode(Settings()))))
    renamed = {"model.name": "model_name", "idempotency_seconds": "idempotency_seconds"}
    offered = {re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", key) for key in _keys(VALUES)}
    sections = {key.split(".")[0] for key in settings if "." in key}
    ours = {renamed.get(key, key) for key in offered if key.split(".")[0] in sections or key in renamed}
    # Sinks and Secrets are written as they are.
    ours = {key for key in ours if not any(key == own or key.startswith(f"{own}.") for own in KUBERNETES_OWN)}
    assert ours | NO_VALUES | {"record.ship.sinks"} == settings
    assert not ours & NO_VALUES


def test_a_rule_set_is_mounted_at_the_path_of_the_settings(helm: Helm) -> None:
    """The pod mounts the rule set at the path in the settings."""
    options = [option for path in helm.values("local") for option in ("--values", str(path))]
    documents = objects(helm.render(*options, "--set-string", "rules.text=version: 7"))
    (config,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    (service,) = (each for each in documents if each["kind"] == "InferenceService")
    assert config["rules.yaml"].strip() == "version: 7"
    assert yaml.safe_load(config["serving.yaml"])["rules"]["file"] == "/etc/customer-risk/rules.yaml"
    (volume,) = (each for each in service["spec"]["predictor"]["volumes"] if each["name"] == "config")
    assert {"key": "rules.yaml", "path": "rules.yaml"} in volume["projected"]["sources"][0]["configMap"]["items"]


def _settings(helm: Helm, case: str, folder: Path) -> Settings:
    (config,) = objects(helm.example(case)["configmap.yaml"])
    file = folder / "serving.yaml"
    file.write_text(config["data"]["serving.yaml"], encoding="utf-8")
    return load_settings(file, server={})


def _config_files(pod: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the files of a pod's volume `config`, with the object and the key of each."""
    (volume,) = (each["projected"]["sources"] for each in pod["volumes"] if each["name"] == "config")
    sources = [source for each in volume for source in each.values()]
    return {
        f"/etc/customer-risk/{item['path']}": (source["name"], item["key"])
        for source in sources
        for item in source["items"]
    }


def _key(folder: Path) -> Path:
    path = folder / "key"
    path.write_bytes(b"k" * 32)
    return path


def _keys(value: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the keys at all depths whose values have no further keys."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _keys(inner, f"{before}{key}.")
        else:
            yield before + key


def _named(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the keys of the schema, down to those with a default in values.yaml."""
    known = _resolved(schema).get("properties", {})
    for key, inner in known.items():
        given: Any = VALUES
        for part in f"{before}{key}".split("."):
            given = given.get(part, {}) if isinstance(given, dict) else {}
        if isinstance(given, dict) and given and _resolved(inner).get("properties"):
            yield from _named(inner, f"{before}{key}.")
        elif "resources" not in before or given:
            yield before + key


def _schemas(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every schema within a schema, with its path of keys."""
    if isinstance(schema, list):
        for each in schema:
            yield from _schemas(each, where)
    elif isinstance(schema, dict):
        yield where, schema
        for key, inner in schema.items():
            if key in {"properties", "$defs"}:
                for name, each in inner.items():
                    yield from _schemas(each, f"{where}.{name}")
            elif key in {"items", "allOf", "anyOf", "oneOf"}:
                yield from _schemas(inner, where)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Resolve references, and join the members of `allOf`."""
    made = dict(schema)
    if "$ref" in made:
        made |= _resolved(SCHEMA["$defs"][made.pop("$ref").rsplit("/", 1)[-1]])
    for each in made.pop("allOf", ()):
        made |= _resolved(each)
    return made
