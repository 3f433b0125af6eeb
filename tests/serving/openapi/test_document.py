"""The OpenAPI document: valid, equal to the types, with examples that work."""

from __future__ import annotations

import copy
import datetime as dt
import json

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from customer_risk.model.errors import InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.vocabulary import OCCUPATIONS
from customer_risk.serving.contract.answer import render
from customer_risk.serving.contract.problem import KINDS, UNEXPECTED
from customer_risk.serving.contract.request import Profile, RiskRequest, Transaction
from customer_risk.serving.decisions.request_parser import RequestParser
from customer_risk.serving.http.scoring_app import BATCH_PATH, LIVE_PATH, RISK_PATH
from customer_risk.serving.openapi import examples, render_document
from customer_risk.serving.openapi.schemas import SAYS

DOCUMENT = json.loads(render_document("customer-risk"))
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: operation
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    if "operationId" in operation
}


def _validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


REQUEST = _validator("RiskRequest")


def _reads(document: object, now: float) -> bool:
    try:
        RequestParser(known=NAMES, wanted=()).read(json.dumps(document).encode(), now=now)
    except InputError:
        return False
    return True


def test_the_document_is_openapi() -> None:
    """The validator of the specification accepts the document."""
    validate(DOCUMENT)


def test_the_document_has_the_same_bytes_each_time() -> None:
    """The document has the same bytes each time, so clients may compare hashes."""
    assert render_document("customer-risk") == render_document("customer-risk")


def test_the_models_name_is_filled_in() -> None:
    """KServe's paths contain the name of the model."""
    paths = json.loads(render_document("other"))["paths"]
    assert {"/v1/models/other:predict", "/v2/models/other/infer"} <= set(paths)


@pytest.mark.parametrize("path", [RISK_PATH, BATCH_PATH, LIVE_PATH])
def test_the_scoring_apps_paths_are_described(path) -> None:
    """The document has the scoring app's paths."""
    assert path in DOCUMENT["paths"]


@pytest.mark.parametrize("example", examples.REQUESTS.values(), ids=examples.REQUESTS)
def test_an_example_request_is_answered(example, service) -> None:
    """The service answers each example request, and both forms of its answer satisfy the schema."""
    answer = service.answer(json.dumps(example).encode())
    for explain in (True, False):
        shown = json.loads(msgspec.json.encode(render(answer, explain=explain)))
        _validator("WireAnswer").validate(shown)


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_satisfy_their_schemas(name) -> None:
    """All examples satisfy their schemas, except those of requests that are refused."""
    operation = OPERATIONS[name]
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    bodies = [DOCUMENT["components"]["responses"][b["$ref"].rpartition("/")[2]] if "$ref" in b else b for b in bodies]
    for content in [content for body in bodies for content in body.get("content", {}).values()]:
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        for example in content.get("examples", {}).values():
            value = copy.deepcopy(example["value"])
            if isinstance(value, dict) and "requests" in value:
                value["requests"].remove(examples.BAD)
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)


def test_the_refused_example_is_refused_as_shown(service) -> None:
    """The batch's second item is refused with the problem of the example."""
    from customer_risk.serving.contract.problem import document_of

    with pytest.raises(InputError) as caught:
        service.answer(json.dumps(examples.BAD).encode(), at="/requests/1")
    assert json.loads(msgspec.json.encode(document_of(caught.value)[1])) == examples.REFUSED_ITEM["problem"]


@pytest.mark.parametrize("kind", [*KINDS.values(), UNEXPECTED], ids=lambda kind: kind.name)
def test_every_refusal_is_described(kind) -> None:
    """Each refusal has an example under its status, in both forms."""
    response = DOCUMENT["components"]["responses"][f"Problem{kind.status.value}"]
    assert kind.name in response["content"]["application/problem+json"]["examples"]
    response = DOCUMENT["components"]["responses"][f"KserveProblem{kind.status.value}"]
    assert response["content"]["application/json"]["examples"][kind.name]["value"]["error"]


@pytest.mark.parametrize(
    ("status", "header"), [(401, "WWW-Authenticate"), (405, "Allow"), (429, "Retry-After"), (503, "Retry-After")]
)
def test_refusals_name_their_headers(status, header) -> None:
    """The response to a refusal lists its headers."""
    assert header in DOCUMENT["components"]["responses"][f"Problem{status}"]["headers"]


@pytest.mark.parametrize("name", sorted(SAYS))
def test_every_field_of_an_answer_is_explained(name) -> None:
    """Every field of an answer has a description, and no other field has."""
    fields = SCHEMAS[name]["properties"]
    assert set(SAYS[name]) <= set(fields)
    assert all("description" in each or "$ref" in each for each in fields.values())


def test_bounds_come_from_the_types() -> None:
    """Lengths, ranges and the currency are the decoder's."""
    transaction = SCHEMAS["Transaction"]["properties"]
    assert (transaction["id"]["minLength"], transaction["id"]["maxLength"]) == (1, 128)
    assert (transaction["amount"]["minimum"], transaction["amount"]["maximum"]) == (0, 1e12)
    assert transaction["currency"]["enum"] == ["EUR"]
    assert set(SCHEMAS["Profile"]["properties"]) == set(Profile.__struct_fields__)
    assert set(transaction) == set(Transaction.__struct_fields__)
    assert set(SCHEMAS["RiskRequest"]["properties"]) == set(RiskRequest.__struct_fields__)


def test_known_categories_are_listed_and_others_allowed(now, request_) -> None:
    """A category is a text with known values, not an enumeration."""
    occupation = SCHEMAS["Profile"]["properties"]["occupation"]
    assert occupation["examples"] == list(OCCUPATIONS)
    request_["profile"]["occupation"] = "ASTRONAUT"
    REQUEST.validate(request_)
    assert _reads(request_, now)


def test_unknown_fields_are_allowed(now, request_) -> None:
    """The schema allows unknown fields, which the server ignores."""
    request_["extra"] = request_["profile"]["extra"] = request_["transactions"][0]["extra"] = 1
    REQUEST.validate(request_)
    assert _reads(request_, now)


_TEXT = st.text(min_size=1, max_size=130).filter(lambda text: "\x00" not in text)
_TIMES = st.one_of(
    st.datetimes(timezones=st.just(dt.UTC)).map(lambda at: at.isoformat().replace("+00:00", "Z")),
    st.datetimes().map(lambda at: f"{at} UTC"),
    st.datetimes().map(lambda at: f"{at.isoformat()}+05:30"),
    st.from_regex(SCHEMAS["Transaction"]["properties"]["created_at"]["pattern"], fullmatch=True),
    st.sampled_from(["2024-08-26t10:33:50.1234567z", "2024-08-26T10:33:50+0530", "2024-08-26T10:33:50+05"]),
    st.sampled_from(["2024-08-26", "2024-13-01T00:00:00Z", "2024-04-31T00:00:00Z", "2024-08-26T10:33:50", "now"]),
)
_AMOUNTS = st.one_of(st.floats(-1, 1e13, allow_nan=False), st.integers(-1, 10**6), st.booleans(), st.just("12"))
_ROW = st.fixed_dictionaries(
    {"id": _TEXT, "state": _TEXT, "type": _TEXT, "amount": _AMOUNTS, "direction": _TEXT, "created_at": _TIMES},
    optional={
        "completed_at": st.none() | _TIMES,
        "currency": st.sampled_from(["EUR", "EUR", "USD", None]),
        "extra": st.integers(),
    },
)
_PROFILE = st.fixed_dictionaries(
    {},
    optional={
        "occupation": st.none() | _TEXT | st.just(""),
        "is_pep": st.sampled_from([True, False, None, 0]),
        "date_of_birth": st.none() | st.dates().map(str) | st.just("1990-02-30"),
        "gender": st.none() | st.integers(),
    },
)
_FEATURES = st.dictionaries(
    st.sampled_from([*NAMES[:5], "no_such_feature"]), st.none() | st.floats(-1e16, 1e16) | st.text(max_size=1)
)
_REQUESTS = st.fixed_dictionaries(
    {"customer_id": _TEXT | st.just("") | st.none()},
    optional={
        "profile": _PROFILE,
        "transactions": st.lists(_ROW, max_size=3),
        "history_complete": st.sampled_from([True, False, None]),
        "features": _FEATURES,
        "extra": st.none(),
    },
)


def _leap_days(document: object) -> bool:
    """Whether the document has dates that a pattern cannot judge: 29 February, or a time near the year 1 or 9999."""
    text = json.dumps(document)
    return "-02-29" in text or '"0001-01-01' in text or '"9999-12-31' in text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=_REQUESTS)
def test_the_schema_accepts_what_the_reader_accepts(document, now) -> None:
    """The schema and the parser judge valid and changed requests alike."""
    assume(not _leap_days(document))
    assert REQUEST.is_valid(document) == _reads(document, now)


_SPOILT = [None, True, -1, 1e13, "", "x" * 129, [], {}, "2024-08-26T10:33:50Z", "EUR", "absent"]


def _places(value: object, at: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, each in items for place in ((*at, name), *_places(each, (*at, name)))]


@pytest.mark.parametrize("name", ["raw", "columns"])
def test_the_schema_judges_every_mutation_as_the_reader_does(name, now) -> None:
    """Each field of an example is replaced or removed; only the parser checks that columns have equal lengths."""
    differ = []
    for place in _places(examples.REQUESTS[name]):
        for value in _SPOILT:
            document = copy.deepcopy(examples.REQUESTS[name])
            *path, last = place
            parent = document
            for step in path:
                parent = parent[step]
            if value == "absent":
                del parent[last]
            else:
                parent[last] = value
            accepted, read = REQUEST.is_valid(document), _reads(document, now)
            if accepted != read and not (accepted and name == "columns" and _uneven(document)):
                differ.append((place, value, accepted, read))
    assert differ == []


def _uneven(document: dict) -> bool:
    lengths = {len(each) for each in document["transactions"].values() if isinstance(each, list)}
    return len(lengths) > 1
