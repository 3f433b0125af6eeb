"""The parts of the values' schema that settings and values.yaml determine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from k8s.values_schema import CHART, comments, text_of, values_schema

FILE = (CHART / "values.schema.json").read_text(encoding="utf-8")
VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads(FILE)
DEFAULTS = yaml.safe_load(VALUES)


def test_the_values_schema_is_current() -> None:
    """`python -m k8s.values_schema` updates it from settings and comments."""
    assert text_of(values_schema(SCHEMA, VALUES)) == FILE


def test_a_new_section_requires_its_keys() -> None:
    """Without its lists of mandatory keys, which refuse nulls, the schema gets them again from the defaults."""
    schema = json.loads(FILE)
    removed = _without_required(schema, DEFAULTS)
    assert removed > 20
    assert schema != SCHEMA
    assert values_schema(schema, VALUES) == SCHEMA


def _without_required(schema: dict[str, Any], defaults: dict[str, Any]) -> int:
    """Remove the lists of mandatory keys of the sections that have defaults; return how many there were."""
    if not defaults or "properties" not in schema:
        return 0
    inner = [
        _without_required(schema["properties"][key], value)
        for key, value in defaults.items()
        if isinstance(value, dict)
    ]
    return sum(inner) + (schema.pop("required", None) is not None)


def test_every_value_has_a_comment() -> None:
    """values.yaml describes each value, or the section that is set as a whole, with a comment that helm-docs reads."""
    described = {path for path, _ in comments(VALUES)}
    lines = [line.strip() for line in VALUES.splitlines()]
    first = [line for above, line in zip(["", *lines], lines, strict=False) if line[:1] == "#" and above[:1] != "#"]
    lacking = [
        path for path in _leaves(DEFAULTS) if not any(path == each or path.startswith(f"{each}.") for each in described)
    ]
    assert (lacking, [line for line in first[1:] if not line.startswith("# -- ")]) == ([], [])


def _leaves(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def test_values_and_examples_fit_the_schema() -> None:
    """The schema accepts the defaults, and each values file of the chart combined with them."""
    validator = Draft202012Validator(SCHEMA)
    for path in (CHART / "values.yaml", *CHART.glob("values-*.yaml"), *CHART.glob("examples/*/values.yaml")):
        values = _merged(DEFAULTS, yaml.safe_load(path.read_text(encoding="utf-8")))
        assert [each.message for each in validator.iter_errors(values)] == [], path


def _merged(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults with values on top of them, as Helm merges files."""
    nested = {
        key: _merged(defaults[key], value)
        for key, value in values.items()
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
    }
    return defaults | values | nested


@pytest.mark.parametrize(
    "values",
    [
        {"auth": {"unknownKeySeconds": 0}},
        {"auth": {"leewaySeconds": 601}},
        {"auth": {"mostCached": 0}},
        {"limits": {"mostClients": 1}},
        {"grpc": {"graceSeconds": -1}},
        {"jobs": {"folders": ["relative"]}},
        {"logs": {"format": "xml"}},
        {"record": {"sinks": [{"type": "bigquery", "keep_days": 0}]}},
    ],
)
def test_a_value_that_the_service_would_refuse_is_refused(values) -> None:
    """The schema refuses what a setting's type refuses, and enforces the chart's additional conditions."""
    assert not Draft202012Validator(SCHEMA).is_valid(_merged(DEFAULTS, values))


def test_a_comment_belongs_to_the_value_below_it() -> None:
    """A comment belongs to the value below it at any depth; a blank line ends a comment, and its lines are joined."""
    text = "# A file.\n\n# -- The\n# server.\nserver:\n  # -- Its port.\n  port: 1\n  host: a\n# Other.\nother: {}\n"
    assert list(comments(text)) == [("server", "The server."), ("server.port", "Its port."), ("other", "Other.")]
