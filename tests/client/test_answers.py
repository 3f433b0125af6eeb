"""The client's types agree with docs/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from customer_risk.serving.openapi import examples
from customer_risk_client import Answer, BadField, Item, Job, Model, Pattern, Problem, Reason, RequestWarning
from customer_risk_client.answers import Items

SCHEMAS = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_bytes())["components"]["schemas"]
NAMES = {
    Answer: "WireAnswer",
    BadField: "BadField",
    Item: "BatchItem",
    Items: "BatchAnswer",
    Job: "JobView",
    Model: "ModelName",
    Pattern: "WirePattern",
    Problem: "Problem",
    Reason: "WireReason",
    RequestWarning: "InputWarning",
}


def _forms(schema, names) -> set[str]:
    """Return what a field's value may be: JSON types, allowed texts, and names of the document's schemas."""
    if "$ref" in schema:
        return {names[schema["$ref"].rpartition("/")[2]]}
    if "anyOf" in schema:
        return set().union(*(_forms(part, names) for part in schema["anyOf"]))
    if "enum" in schema:
        return {json.dumps(value) for value in schema["enum"]}
    if schema.get("type") == "array":
        return {f"array of {each}" for each in _forms(schema["items"], names)}
    kinds = schema["type"]
    return {kinds} if isinstance(kinds, str) else set(kinds)


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_types_have_every_field_of_the_document(kind) -> None:
    """Each type has the fields of its schema in their order, reads each value that the schema allows, and is complete.

    Fields that the schema doesn't require may be absent.
    """
    _, ours = msgspec.json.schema_components((kind,), ref_template="{name}")
    documented = SCHEMAS[NAMES[kind]]
    own = ours[kind.__name__]
    assert list(own["properties"]) == list(documented["properties"])
    assert set(own.get("required", ())) <= set(documented["required"])
    same = {name: name for name in SCHEMAS}
    translated = {each.__name__: name for each, name in NAMES.items()}
    for name, schema in documented["properties"].items():
        assert _forms(schema, same) <= _forms(own["properties"][name], translated), name


@pytest.mark.parametrize("name", ["score", "explain", "rules"])
def test_answers_with_and_without_patterns_are_read(name) -> None:
    """A field of a pattern is None without the scope `explain`, and the patterns of an answer by rules are None."""
    shown = examples.ANSWERS[name]
    answer = msgspec.json.decode(json.dumps(shown), type=Answer)
    if shown["patterns"] is None:
        assert answer.patterns is None
    else:
        assert answer.patterns == (msgspec.convert(shown["patterns"][0], Pattern),)
        assert answer.patterns[0].count == shown["patterns"][0].get("count")


def test_the_answer_of_an_older_service_is_read() -> None:
    """An answer without patterns has None for them."""
    shown = {name: value for name, value in examples.ANSWER.items() if name != "patterns"}
    assert msgspec.json.decode(json.dumps(shown), type=Answer).patterns is None


def test_fields_of_a_newer_service_are_ignored() -> None:
    """A pattern may have a member that this client doesn't know."""
    shown = examples.ANSWER | {"patterns": [{"code": "PASS_THROUGH", "new": 1}]}
    assert msgspec.json.decode(json.dumps(shown), type=Answer).patterns == (Pattern(code="PASS_THROUGH"),)
