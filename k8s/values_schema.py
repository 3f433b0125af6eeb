"""The schema of the chart's values: `python -m k8s.values_schema` updates what other files determine.

The type of a setting determines the schema of its value, values.yaml determines descriptions and mandatory keys. The
rest is written by hand: values of Kubernetes, and what the chart demands beyond a setting's type (a pattern, a list
that isn't empty).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import yaml

from customer_risk.serving.record.sinks.settings import SinkSettings
from customer_risk.serving.settings import Settings
from customer_risk.serving.settings_guide import descriptions

CHART: Final = Path(__file__).parent.parent / "helm/customer-risk"
# Settings without a value in the chart: the chart sets them itself, because Services, probes and volumes must agree
# with them, or no pod uses them (only `customer-risk audit` uses older keys and the access log).
NO_VALUES: Final = frozenset(
    (
        "run_folder",
        "server.host",
        "server.port",
        "server.metrics_port",
        "server.stay_up",
        "grpc.host",
        "grpc.port",
        "rules.file",
        "store.path",
        "store.url_file",
        "record.folder",
        "record.most_bytes",
        "record.key_file",
        "record.older_key_files",
        "record.access_log",
        "record.ship.embedded",
        "record.ship.spool",
        "record.ship.metrics_host",
        "record.ship.metrics_port",
    )
)
_RENAMED: Final = {"model_name": "model.name", "record.ship.sinks": "record.sinks"}
_SINKS: Final = {each.__struct_config__.tag: each for each in get_args(SinkSettings)}
_LEAST: Final = ("minimum", "exclusiveMinimum")
# Keys that a setting's type determines; any other key of a value's schema is written by hand.
_OF_TYPES: Final = ("type", "enum", *_LEAST, "maximum", "exclusiveMaximum", "description")
_WIDTH: Final = 130
_KEY: Final = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):")

Schema = dict[str, Any]


def values_schema(schema: Schema, values: str) -> Schema:
    """Return the schema, updated from the settings and from the text of values.yaml."""
    made: Schema = json.loads(json.dumps(schema))
    for path, setting in _settings(Settings):
        if path not in NO_VALUES and path != "model_name":
            _set(made, _RENAMED.get(path, path), setting)
    sinks = _value(made, "record.sinks")["items"]
    there = {each["properties"]["type"]["const"]: each["properties"] for each in sinks["oneOf"]}
    sinks["oneOf"] = [_sink(tag, there.get(tag, {})) for tag in _SINKS]
    for path, comment in comments(values):
        _value(made, path)["description"] = comment
    _require(made, yaml.safe_load(values))
    return made


def comments(values: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each value that has a comment above it, and the comment's text."""
    above: list[str] = []
    keys: list[tuple[int, str]] = []  # the key's indentation, and the key
    for line in values.splitlines():
        if line.lstrip().startswith("#"):
            above.append(line.strip().removeprefix("#").removeprefix(" --").strip())
            continue
        if found := _KEY.match(line):
            keys = [*(each for each in keys if each[0] < len(found["indent"])), (len(found["indent"]), found["key"])]
            if above:
                yield ".".join(key for _, key in keys), " ".join(above)
        above = []


def text_of(schema: Schema) -> str:
    """Return the text of the schema's file: each part that fits into a line is on one line."""
    return _written(schema, "", 0) + "\n"


def _settings(kind: type[msgspec.Struct], before: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield each setting's path, and the schema of its type and description."""
    schemas = _of_types(kind)
    for each in msgspec.structs.fields(kind):
        if isinstance(each.type, type) and issubclass(each.type, msgspec.Struct):
            yield from _settings(each.type, f"{before}{each.name}.")
        else:
            yield f"{before}{each.name}", schemas[each.name]


def _of_types(kind: type[msgspec.Struct]) -> dict[str, Schema]:
    """Return the schemas of a section's settings by name."""
    (_, *_), found = msgspec.json.schema_components((kind,))
    said = descriptions(kind)
    return {
        name: _plain(schema) | ({"description": said[name]} if name in said else {})
        for name, schema in found[kind.__name__]["properties"].items()
        if name != "type"
    }


def _sink(tag: str, there: Schema) -> Schema:
    """Return the schema of one type of sink, whose keys are the settings' own."""
    settings = {name: _joined(setting, there.get(name, {})) for name, setting in _of_types(_SINKS[tag]).items()}
    properties = {"type": {"const": tag}, **settings}
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": ["type"]}


def _plain(schema: Mapping[str, Any]) -> Schema:
    """Return msgspec's schema of a type without references and titles."""
    if "anyOf" in schema:
        (some,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        return {**_plain(some), "type": [some["type"], "null"]}
    if schema.get("type") == "array":
        items = schema["items"]
        return {"type": "array"} if "anyOf" in items or "$ref" in items else {"type": "array", "items": _plain(items)}
    plain = {key: schema[key] for key in _OF_TYPES if key in schema}
    if plain.get("type") == "integer" and "exclusiveMinimum" in plain:
        plain["minimum"] = plain.pop("exclusiveMinimum") + 1
    return plain


def _set(schema: Schema, path: str, setting: Schema) -> None:
    *sections, name = (_camel(each) for each in path.split("."))
    parent = _value(schema, ".".join(sections)) if sections else schema
    parent["properties"][name] = _joined(setting, parent["properties"].get(name, {}))


def _joined(setting: Schema, value: Schema) -> Schema:
    """Return the schema of a setting's type, combined with the hand-written parts of the value's schema."""
    bounded = any(key in setting for key in _LEAST)
    kept = {key: each for key, each in value.items() if key not in _OF_TYPES or (key in _LEAST and not bounded)}
    if "items" in setting:
        kept["items"] = _joined(setting["items"], kept.get("items", {}))
    return setting | kept


def _value(schema: Schema, path: str) -> Schema:
    """Return the schema of the value at a path."""
    found = schema
    for key in path.split("."):
        found = found["properties"][key]
    return found


def _require(schema: Schema, defaults: Mapping[str, Any]) -> None:
    """Make each key mandatory that may not be null: Helm removes a default that a values file sets to null."""
    if not defaults or "properties" not in schema:
        return
    schemas = schema["properties"]
    schema["required"] = [key for key in defaults if "null" not in schemas[key].get("type", ())]
    for key, value in defaults.items():
        if isinstance(value, dict):
            _require(schemas[key], value)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _written(value: Any, indent: str, before: int) -> str:
    """Return JSON; `before` is the length of the line's text before it."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or before + len(line) < _WIDTH:
        return line
    deeper = f"{indent}  "
    if isinstance(value, list):
        parts = [f"{deeper}{_written(each, deeper, len(deeper))}" for each in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = []
    for key, each in value.items():
        start = f"{deeper}{json.dumps(key)}: "
        parts.append(start + _written(each, deeper, len(start)))
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def main() -> None:
    """Write the file."""
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    path.write_text(text_of(values_schema(schema, values)), encoding="utf-8")


if __name__ == "__main__":
    main()
