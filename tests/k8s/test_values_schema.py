"""The schema of the chart's values, as far as it is made from the settings and from values.yaml."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from k8s.values_schema import CHART, comments, text_of, values_schema

FILE = (CHART / "values.schema.json").read_text(encoding="utf-8")
VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads(FILE)


def test_the_file_is_what_the_command_writes() -> None:
    """`python -m k8s.values_schema` brings it up to date with settings and comments."""
    assert text_of(values_schema(SCHEMA, VALUES)) == FILE


def test_comments_and_schema_agree() -> None:
    """Each value that has a comment in values.yaml is described by it in the schema."""
    described = dict(comments(VALUES))
    assert len(described) > 90
    for path, comment in described.items():
        found = SCHEMA
        for key in path.split("."):
            found = found["properties"][key]
        assert found["description"] == comment, path


def test_a_value_without_a_comment_is_described_by_its_setting() -> None:
    """The words are those of docs/guide/settings.md."""
    server = SCHEMA["properties"]["server"]["properties"]
    assert server["headerSeconds"]["description"] == "for a connection to send a whole request head"


def test_values_and_examples_hold() -> None:
    """Every default, and every file of values that the chart comes with, is taken by the schema."""
    validator = Draft202012Validator(SCHEMA)
    for path in (CHART / "values.yaml", *CHART.glob("values-*.yaml"), *CHART.glob("examples/*/values.yaml")):
        faults = [each.message for each in validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))]
        assert faults == [], path


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
    """The install fails, rather than the pods; so it does for what the chart demands beyond the settings' types."""
    assert not Draft202012Validator(SCHEMA).is_valid(values)


def test_a_comment_belongs_to_the_value_beneath_it() -> None:
    """At every depth; a blank line ends a comment, and its lines are joined."""
    text = "# A file.\n\n# The\n# server.\nserver:\n  # Its port.\n  port: 1\n  host: a\n# Else.\nelse: {}\n"
    assert list(comments(text)) == [("server", "The server."), ("server.port", "Its port."), ("else", "Else.")]
