"""Writes schemas/: strict schemas of the objects that the targeted API servers accept, from the projects' definitions.

`scripts/chart/schemas` runs it. The definitions come from Go modules. They are reduced to the kinds that the chart and
k8s/ create, without descriptions. `google*.json` are written by hand from GKE's documentation, since no module has
these kinds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

SCHEMAS: Final = Path(__file__).parent / "schemas"
KUBERNETES: Final = "k8s.io/kubernetes@v1.34.4"
KSERVE: Final = "github.com/kserve/kserve@v0.20.0"
GATEWAY: Final = "sigs.k8s.io/gateway-api@v1.3.0"
OPERATOR: Final = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
MANAGED: Final = "github.com/GoogleCloudPlatform/prometheus-engine@v0.17.2"

_KINDS: Final = {
    "api__v1": ("ConfigMap", "LimitRange", "Namespace", "Pod", "ResourceQuota", "Service", "ServiceAccount"),
    "apis__autoscaling__v2": ("HorizontalPodAutoscaler",),
    "apis__batch__v1": ("CronJob",),
    "apis__networking.k8s.io__v1": ("NetworkPolicy",),
    "apis__policy__v1": ("PodDisruptionBudget",),
    "apis__rbac.authorization.k8s.io__v1": ("ClusterRole",),
    "apis__scheduling.k8s.io__v1": ("PriorityClass",),
}
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# The fields of a custom container in an InferenceService's predictor; KServe's own runtimes use the other fields.
_RUNTIMES: Final = (
    "huggingface",
    "lightgbm",
    "model",
    "onnx",
    "paddle",
    "pmml",
    "pytorch",
    "sklearn",
    "tensorflow",
    "triton",
    "workerSpec",
    "xgboost",
)
_KEPT: Final = frozenset(
    (
        "allOf",
        "anyOf",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "not",
        "oneOf",
        "pattern",
        "required",
        "type",
        "uniqueItems",
    )
)
# fmt: on


def main() -> None:
    """Write every schema again."""
    definitions, kinds = kubernetes(module(KUBERNETES))
    meta = {_META: definitions[_META]} | {
        name: definitions[name] for name in sorted(named(definitions[_META], definitions))
    }
    write("kubernetes", {"source": KUBERNETES, "kinds": kinds, "$defs": definitions})
    predictor = ("spec", "predictor")
    service = crd(module(KSERVE) / "config/crd/full/serving.kserve.io_inferenceservices.yaml", "v1beta1")
    properties = service["properties"]["spec"]["properties"]
    service["properties"]["spec"]["properties"] = {predictor[1]: properties[predictor[1]]}
    for name in _RUNTIMES:
        del properties[predictor[1]]["properties"][name]
    write("kserve", custom(KSERVE, "serving.kserve.io/v1beta1", "InferenceService", service, meta))
    route = crd(module(GATEWAY) / "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml", "v1")
    write("gateway", custom(GATEWAY, "gateway.networking.k8s.io/v1", "HTTPRoute", route, meta))
    gateway = crd(module(GATEWAY) / "config/crd/standard/gateway.networking.k8s.io_gateways.yaml", "v1")
    write("gateways", custom(GATEWAY, "gateway.networking.k8s.io/v1", "Gateway", gateway, meta))
    for name, source, kinds_of_monitoring in (
        ("prometheus-operator", OPERATOR, ("ServiceMonitor", "PrometheusRule")),
        ("managed-prometheus", MANAGED, ("PodMonitoring", "Rules")),
    ):
        made: dict[str, Any] = {"source": source, "kinds": {}, "$defs": {}}
        for kind in kinds_of_monitoring:
            path = monitoring_crd(kind)
            one = custom(source, path.name.partition("_")[0] + "/v1", kind, crd(path, "v1"), meta)
            made["kinds"] |= one["kinds"]
            made["$defs"] |= one["$defs"]
        write(name, made)


def module(name: str) -> Path:
    """Return the folder of a Go module, and download the module if it is missing."""
    program = go()
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([program, "mod", "init", "scratch"], cwd=scratch, check=True, capture_output=True)
        told = subprocess.run([program, "mod", "download", "-json", name], cwd=scratch, check=True, capture_output=True)
    return Path(json.loads(told.stdout)["Dir"])


def monitoring_crd(kind: str) -> Path:
    """Return the file of the definition of a kind of the Prometheus operator or of Google's Managed Prometheus."""
    if kind in {"ServiceMonitor", "PrometheusRule"}:
        return module(OPERATOR) / f"example/prometheus-operator-crd/monitoring.coreos.com_{kind.lower()}s.yaml"
    plural = {"PodMonitoring": "podmonitorings", "Rules": "rules"}[kind]
    return module(MANAGED) / f"charts/operator/crds/monitoring.googleapis.com_{plural}.yaml"


def go() -> str:
    """Return the path of the go command. Raises FileNotFoundError if PATH has none."""
    if found := shutil.which("go"):
        return found
    raise FileNotFoundError("Go is not in PATH. Install Go 1.26 or later.")


def kubernetes(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the definitions that the chart's kinds need, and the name of each kind's definition."""
    every: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for file, names in _KINDS.items():
        text = (folder / f"api/openapi-spec/v3/{file}_openapi.json").read_text(encoding="utf-8")
        schemas = json.loads(text)["components"]["schemas"]
        every |= schemas
        for name in names:
            (definition,) = (
                key
                for key, schema in schemas.items()
                for group in schema.get("x-kubernetes-group-version-kind", ())
                if group["kind"] == name
            )
            version = "/".join(part for part in file.split("__")[1:] if part)
            kinds[f"{version}/{name}"] = definition
    closed_ones = {name: closed(schema) for name, schema in every.items()}
    needed = set(kinds.values())
    for name in kinds.values():
        closed_ones[name]["properties"].pop("status", None)
        needed |= named(closed_ones[name], closed_ones)
    return {name: closed_ones[name] for name in sorted(needed)}, kinds


def named(schema: Any, definitions: dict[str, Any], found: set[str] | None = None) -> set[str]:
    """Return the names of all definitions that a schema refers to."""
    found = set() if found is None else found
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in found:
            found.add(name)
            named(definitions[name], definitions, found)
        for value in schema.values():
            named(value, definitions, found)
    elif isinstance(schema, list):
        for value in schema:
            named(value, definitions, found)
    return found


def crd(path: Path, version: str) -> dict[str, Any]:
    """Return the strict schema of a version of a custom resource, without its status."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    (schema,) = (each["schema"]["openAPIV3Schema"] for each in document["spec"]["versions"] if each["name"] == version)
    made = closed(schema)
    made["properties"].pop("status", None)
    return made


def custom(source: str, group: str, kind: str, schema: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Return the file of a custom resource's schema, with Kubernetes' metadata."""
    schema["properties"]["metadata"] = {"$ref": f"#/$defs/{_META}"}
    return {"source": source, "kinds": {f"{group}/{kind}": kind}, "$defs": {kind: schema, **meta}}


def closed(schema: dict[str, Any], *, refuse: bool = True) -> dict[str, Any]:
    """Reduce a schema to its constraints; with `refuse`, it refuses unknown properties, as the API server does.

    Schemas within `anyOf`, `not` and the like only constrain the properties that they name.
    """
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/$defs/")}
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    made: dict[str, Any] = {}
    for key in _KEPT & schema.keys():
        value = schema[key]
        if isinstance(value, dict):
            made[key] = closed(value, refuse=refuse and key == "items")
        elif isinstance(value, list):
            made[key] = [closed(each, refuse=False) if isinstance(each, dict) else each for each in value]
        else:
            made[key] = value.replace("^(?i)", "(?i)^") if key == "pattern" else value  # Python wants flags first
    if properties := schema.get("properties"):
        made["properties"] = {name: closed(each, refuse=refuse) for name, each in properties.items()}
        if refuse and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = closed(schema["additionalProperties"], refuse=refuse)
    return dict(sorted(made.items()))


def write(name: str, document: dict[str, Any]) -> None:
    """Write a file of schemas, one line for each definition."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in document["$defs"].items())
    head = {key: value for key, value in document.items() if key != "$defs"}
    text = f'{json.dumps(head)[:-1]}, "$defs": {{\n{lines}\n}}}}\n'
    (SCHEMAS / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
