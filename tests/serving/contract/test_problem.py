"""Problem documents."""

from __future__ import annotations

import json

import msgspec
import pytest

import customer_risk.serving.errors
from customer_risk.model.errors import BadField, GoldenMismatch, InputError
from customer_risk.serving.contract.problem import KINDS, document_of
from customer_risk.serving.errors import MalformedBody, RequestError


def test_every_error_of_a_request_has_its_status() -> None:
    """No error of the tree is missing from the table."""
    tree = {
        each
        for each in vars(customer_risk.serving.errors).values()
        if isinstance(each, type) and issubclass(each, RequestError)
    }
    assert set(KINDS) - {InputError} <= tree - {RequestError}
    assert [each for each in tree - {RequestError} if not issubclass(each, tuple(KINDS))] == []


def test_every_kind_is_a_refusal_of_its_own() -> None:
    """Names differ, and statuses are those of errors."""
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)
    assert all(kind.status.value >= 400 for kind in KINDS.values())


def test_bad_fields_are_listed() -> None:
    """A 422 names each field by pointer, with what was expected."""
    kind, document = document_of(InputError((BadField("/profile/is_pep", "expected true"), BadField("", "whole"))))
    assert kind.status == 422
    assert json.loads(msgspec.json.encode(document)) == {
        "type": "urn:problem-type:customer-risk:bad-fields",
        "title": "Some fields can't be used",
        "status": 422,
        "detail": "2 to correct, each named in errors.",
        "errors": [{"pointer": "/profile/is_pep", "detail": "expected true"}, {"pointer": "", "detail": "whole"}],
    }


def test_other_refusals_say_what_to_do() -> None:
    """The detail is problem and remedy; there is no list of fields."""
    _, document = document_of(MalformedBody("The body isn't JSON: cut.", remedy="Send one JSON object."))
    said = json.loads(msgspec.json.encode(document))
    assert said["detail"] == "The body isn't JSON: cut. Send one JSON object."
    assert "errors" not in said


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), GoldenMismatch("secret", remedy="secret")])
def test_an_unexpected_error_keeps_its_cause_to_itself(error) -> None:
    """What isn't in the table is a 500 that says nothing of the inside."""
    kind, document = document_of(error)
    assert kind.status == 500
    assert "secret" not in document.detail
