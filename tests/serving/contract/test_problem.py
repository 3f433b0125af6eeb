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
    """The table of kinds has every error."""
    tree = {
        each
        for each in vars(customer_risk.serving.errors).values()
        if isinstance(each, type) and issubclass(each, RequestError)
    }
    assert set(KINDS) - {InputError} <= tree - {RequestError}
    assert [each for each in tree - {RequestError} if not issubclass(each, tuple(KINDS))] == []


def test_every_kind_has_a_unique_name() -> None:
    """The names of kinds are unique, and their statuses are those of errors."""
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)
    assert all(kind.status.value >= 400 for kind in KINDS.values())


def test_bad_fields_are_listed() -> None:
    """A 422 has the pointer of each bad field, and what was expected."""
    kind, document = document_of(InputError((BadField("/profile/is_pep", "expected true"), BadField("", "whole"))))
    assert kind.status == 422
    assert json.loads(msgspec.json.encode(document)) == {
        "type": "urn:problem-type:customer-risk:bad-fields",
        "title": "Some fields can't be used",
        "status": 422,
        "detail": "2 invalid fields, listed in errors.",
        "errors": [{"pointer": "/profile/is_pep", "detail": "expected true"}, {"pointer": "", "detail": "whole"}],
    }


def test_other_refusals_have_problem_and_remedy() -> None:
    """The detail has the problem and the remedy; there is no list of fields."""
    _, document = document_of(MalformedBody("The body isn't JSON: cut.", remedy="Send one JSON object."))
    said = json.loads(msgspec.json.encode(document))
    assert said["detail"] == "The body isn't JSON: cut. Send one JSON object."
    assert "errors" not in said


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), GoldenMismatch("secret", remedy="secret")])
def test_an_unexpected_error_is_a_500_without_details(error) -> None:
    """An error that isn't in the table is a 500 without details."""
    kind, document = document_of(error)
    assert kind.status == 500
    assert "secret" not in document.detail
