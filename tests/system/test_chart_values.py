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
# Values that are no setting of their own: what Kubernetes does, and what becomes a setting by another name.
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
    """A value that one of them lacks is nowhere: neither unknown to the schema nor without a default."""
    assert set(_keys(VALUES)) == set(_named(SCHEMA))


def test_the_schema_is_closed_wherever_it_names_keys() -> None:
    """A misspelt key is refused, at every depth; only labels, annotations and the batch's own file are free."""
    open_ones = [
        where
        for where, schema in _schemas(SCHEMA, "")
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False
    ]
    assert sorted(set(open_ones)) == [
        ".batch.settings",
        ".model.registryVolume.csi.volumeAttributes",
        ".monitoring.labels",
        ".nodeSelector",
        ".serviceAccount.annotations",
    ]
    assert all(
        schema["additionalProperties"] == {"type": "string"}
        for where, schema in _schemas(SCHEMA, "")
        if where in open_ones and where != ".batch.settings"
    )


def test_every_value_is_explained() -> None:
    """Each top-level key, and each key of a section that has no sentence of its own, stands under a comment."""
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    tops = [index for index, line in enumerate(lines) if re.match(r"[a-zA-Z]+:", line)]
    lone = []
    for start, end in zip(tops, [*tops[1:], len(lines)], strict=True):
        inside = [line for line in lines[start:end] if line.lstrip().startswith("#") and line.startswith(" ")]
        before = lines[start - 1].startswith("#")
        if not (before or inside):
            lone.append(lines[start])
    assert lone == ["nodeSelector: {}", "tolerations: []"]


@pytest.mark.parametrize("case", cases())
def test_the_service_takes_the_settings_that_are_rendered(helm: Helm, case: str, tmp_path: Path) -> None:
    """As `customer-risk serve` and `ship` read them: no unknown word, nothing that can't be."""
    settings = _settings(helm, case, tmp_path)
    assert settings.server.stay_up
    assert not settings.record.ship.embedded
    if settings.record.customer_id == "as_given":  # else it reads the key, which is in the pod
        settings.record.check()


def test_the_batch_takes_its_settings_as_they_are_written(helm: Helm, tmp_path: Path) -> None:
    """As `customer-risk batch` reads them; its outbox is a disk that its pod has, and finds again when it restarts."""
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
    """Its settings name files that its pod mounts: the same Secret as the server's, the same rule set."""
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
    """A Secret is mounted where it is used."""
    options = [option for path in helm.values("batch") for option in ("--values", str(path))]
    change = "record.customerId=hashed,record.keySecret.name=id-key,batch.settings.record.enabled=false"
    (job,) = objects(helm.render(*options, "--set", change, only="batch.yaml"))
    assert list(_config_files(job["spec"]["jobTemplate"]["spec"]["template"]["spec"])) == [
        "/etc/customer-risk/batch.yaml"
    ]


def test_a_batch_that_records_nothing_is_not_tried_again_in_vain(helm: Helm) -> None:
    """Exit codes 2 and 3 end the job at once, which takes pods that aren't restarted."""
    options = [option for path in helm.values("batch") for option in ("--values", str(path))]
    documents = objects(helm.render(*options, "--set", "batch.settings.record.enabled=false"))
    (job,) = (each["spec"]["jobTemplate"]["spec"] for each in documents if each["kind"] == "CronJob")
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2, 3]


def test_a_value_becomes_the_setting_of_its_name(helm: Helm, tmp_path: Path) -> None:
    """Numbers large and small, texts, lists and nothing at all arrive as they were written."""
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


def test_every_setting_of_the_service_is_a_value_or_the_charts_own() -> None:
    """A setting that is added to the service is added here, or decided to be the chart's."""
    settings = set(_keys(msgspec.json.decode(msgspec.json.encode(Settings()))))
    renamed = {"model.name": "model_name", "idempotency_seconds": "idempotency_seconds"}
    offered = {re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", key) for key in _keys(VALUES)}
    sections = {key.split(".")[0] for key in settings if "." in key}
    ours = {renamed.get(key, key) for key in offered if key.split(".")[0] in sections or key in renamed}
    # Sinks and Secrets are written as they are.
    ours = {key for key in ours if not any(key == own or key.startswith(f"{own}.") for own in KUBERNETES_OWN)}
    assert ours | NO_VALUES | {"record.ship.sinks"} == settings
    assert not ours & NO_VALUES


def test_a_second_rule_set_is_a_file_that_the_settings_name(helm: Helm) -> None:
    """The pod finds it where the settings say."""
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
    """Name the files of a pod's volume `config`, and the object and key that each comes from."""
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
    """Name the keys of all depths that hold no further ones."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _keys(inner, f"{before}{key}.")
        else:
            yield before + key


def _named(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    """Name the keys that the schema knows, down to those that values.yaml gives a default."""
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
    """Give every schema within one, with the path of keys that leads there."""
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
    """Follow references, and join what `allOf` says."""
    made = dict(schema)
    if "$ref" in made:
        made |= _resolved(SCHEMA["$defs"][made.pop("$ref").rsplit("/", 1)[-1]])
    for each in made.pop("allOf", ()):
        made |= _resolved(each)
    return made
