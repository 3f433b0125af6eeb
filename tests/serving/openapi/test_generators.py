"""The document has the forms that generators read, and docs/openapi.json is current."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from customer_risk.serving.openapi import render_document
from customer_risk.serving.openapi.__main__ import MODEL
from customer_risk.serving.openapi.plain import plain
from customer_risk.serving.settings import Settings

ROOT = Path(__file__).parent.parent.parent.parent
COMMITTED = ROOT / "docs" / "openapi.json"
DOCUMENT = json.loads(render_document(MODEL))
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]


def _schemas(value: object, at: str = "") -> dict[str, object]:
    """Return every schema of the document by its place."""
    found = {}
    if isinstance(value, dict):
        for name, each in value.items():
            place = f"{at}/{name}"
            if name in ("examples", "example"):
                continue
            if name in ("schema", "items", "not", "if", "then", "else") or at.endswith(("/properties", "/schemas")):
                found[place] = each
            found |= _schemas(each, place)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            if at.endswith(("/oneOf", "/anyOf", "/allOf")):
                found[f"{at}/{place}"] = each
            found |= _schemas(each, f"{at}/{place}")
    return found


PLACES = _schemas(DOCUMENT)
OBJECTS = {place: schema for place, schema in PLACES.items() if isinstance(schema, dict)}


def test_the_walk_finds_the_schemas() -> None:
    """Members, items, parameters, bodies and conditions are among the schemas found."""
    assert len(PLACES) > 300
    assert "/components/schemas/RiskRequest/then/not" in PLACES
    assert "/paths//ai/v1/risk/post/requestBody/content/application/json/schema" in PLACES


def test_no_schema_is_a_boolean() -> None:
    """No schema is `false`, which few generators read; additionalProperties may be."""
    assert [place for place, schema in PLACES.items() if not isinstance(schema, dict)] == []


def test_no_alternative_is_a_condition_on_members() -> None:
    """Alternatives are types: from conditions under `oneOf`, a generator makes a class without members."""
    alternatives = {
        place: part
        for place, schema in OBJECTS.items()
        for name in ("oneOf", "anyOf", "allOf")
        for part in schema.get(name, ())
        if "/then" not in place
    }
    assert [place for place, part in alternatives.items() if not part.keys() & {"$ref", "type"}] == []


def test_no_object_with_alternatives_has_members() -> None:
    """An object has members or is one of several types, never both."""
    assert [
        place for place, schema in OBJECTS.items() if "properties" in schema and {"oneOf", "anyOf"} & set(schema)
    ] == []


def test_every_object_with_members_has_a_name() -> None:
    """Every object with members is a component, whose name generators use for a class."""
    objects = [place for place, schema in OBJECTS.items() if "properties" in schema]
    assert [place for place in objects if not place.startswith("/components/schemas/") or place.count("/") != 3] == []


def test_the_alternatives_of_a_member_are_named() -> None:
    """Generators make correct classes only of alternatives that have names."""
    found = {place: schema["oneOf"] for place, schema in OBJECTS.items() if "oneOf" in schema}
    assert list(found) == ["/components/schemas/RiskRequest/properties/transactions"]
    assert all(part.keys() == {"$ref"} for parts in found.values() for part in parts)


def test_no_object_has_a_member_of_its_own_name() -> None:
    """No object has a member of its own name: a generator would hide one of the two."""
    members = {
        name: {field.replace("_", "") for field in schema.get("properties", ())} for name, schema in SCHEMAS.items()
    }
    assert [name for name, fields in members.items() if name.lower() in fields] == []


def test_every_enumeration_has_a_type() -> None:
    """Without a type, some generators accept any value for an enumeration."""
    assert [place for place, schema in OBJECTS.items() if "enum" in schema and schema.get("type") != "string"] == []


def test_every_array_has_a_schema_of_its_items() -> None:
    """Every array has items; generators refuse others."""
    assert [place for place, schema in OBJECTS.items() if schema.get("type") == "array" and "items" not in schema] == []


def test_no_member_has_a_default() -> None:
    """No member has a default: generators take such a member as always present."""
    members = {place: schema for place, schema in OBJECTS.items() if place.startswith("/components/schemas/")}
    assert [place for place, schema in members.items() if "default" in schema] == []


def test_a_scalar_that_may_be_null_is_one_schema() -> None:
    """Such a scalar has two types; only objects, lists and enumerations are alternatives to null."""
    unions = {
        place: schema["anyOf"] for place, schema in OBJECTS.items() if {"type": "null"} in schema.get("anyOf", ())
    }
    scalars = {"string", "number", "integer", "boolean"}
    assert unions
    assert [place for place, (one, *_) in unions.items() if one.get("type") in scalars and "enum" not in one] == []


def test_every_operation_has_a_name_of_its_own_and_a_tag() -> None:
    """Every operation has a unique operationId and one tag, which name functions and modules."""
    names = Counter(operation["operationId"] for operation in OPERATIONS)
    assert max(names.values()) == 1
    assert all(name.isidentifier() for name in names)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert all(set(operation["tags"]) <= tags and len(operation["tags"]) == 1 for operation in OPERATIONS)


def test_every_refusal_is_a_problem() -> None:
    """Each declared refusal has one named schema: Problem, or KserveProblem as application/json in KServe's paths."""
    refusals = {
        (operation["operationId"], status): response["$ref"].rpartition("/")[2]
        for operation in OPERATIONS
        for status, response in operation["responses"].items()
        if status >= "400"
    }
    assert refusals
    for name in refusals.values():
        kind, media_type = ("Problem", "application/problem+json")
        if name.startswith("Kserve"):
            kind, media_type = ("KserveProblem", "application/json")
        content = DOCUMENT["components"]["responses"][name]["content"]
        assert {each: made["schema"] for each, made in content.items()} == {
            media_type: {"$ref": f"#/components/schemas/{kind}"}
        }


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "object", "required": []}, {"type": "object"}),
        ({"description": "One.\n\n    Two."}, {"description": "One.\n\nTwo."}),
        ({"type": "array", "items": {}, "default": []}, {"type": "array", "items": {}}),
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "description": "d"},
            {"type": ["string", "null"], "maxLength": 3, "description": "d"},
        ),
        (
            {"anyOf": [{"enum": ["a"]}, {"type": "null"}]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        (
            {"properties": {"required": {"type": "array"}}, "then": {"not": {"required": []}}},
            {"properties": {"required": {"type": "array", "items": {}}}, "then": {"not": {}}},
        ),
    ],
)
def test_a_plain_schema_accepts_the_same_values(schema, wanted) -> None:
    """A plain schema has the form that generators read, and accepts the same values as its original."""
    assert plain(schema) == wanted
    values = [None, "a", "b", "long", 1, [], [1], {}, {"required": []}]
    before, after = Draft202012Validator(schema), Draft202012Validator(plain(schema))
    assert [before.is_valid(value) for value in values] == [after.is_valid(value) for value in values]


def test_the_committed_document_is_what_the_code_makes() -> None:
    """`python -m customer_risk.serving.openapi > docs/openapi.json` changes nothing, whatever the hash seed."""
    made = subprocess.run(
        [sys.executable, "-m", "customer_risk.serving.openapi"], capture_output=True, check=True, cwd=ROOT
    ).stdout
    assert made.decode() == COMMITTED.read_text(encoding="utf-8"), (
        "run the command of this docstring and commit the file"
    )


def test_the_committed_document_is_the_servers() -> None:
    """docs/openapi.json is the document of a server with default settings."""
    assert Settings().model_name == MODEL
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == DOCUMENT
