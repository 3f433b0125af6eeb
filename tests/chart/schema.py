"""Validates objects against the schemas of the API servers that the chart targets."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.chart.extract import SCHEMAS


def fault(document: dict[str, Any]) -> str | None:
    """Return the fault of an object, None if the API server would accept it. KeyError for a kind without a schema."""
    validator = _validators()[f"{document['apiVersion']}/{document['kind']}"]
    worst = best_match(validator.iter_errors(document))
    return None if worst is None else f"{worst.json_path}: {worst.message}"


@cache
def _validators() -> dict[str, Draft202012Validator]:
    made = {}
    for path in SCHEMAS.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema({"$defs": document["$defs"]})
        for kind, definition in document["kinds"].items():
            made[kind] = Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": document["$defs"]})
    return made
