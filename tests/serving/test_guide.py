"""docs/guide/api.md agrees with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.contract.answer import WireAnswer, WirePattern, WireReason
from customer_risk.serving.contract.problem import KINDS, UNEXPECTED, document_of
from customer_risk.serving.contract.request import Profile, Transaction
from customer_risk.serving.decisions.request_parser import RequestParser

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs/guide/api.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.mark.parametrize("example", [each for each in EXAMPLES if "decision_id" not in each])
def test_the_example_requests_are_valid(example, now) -> None:
    """Each example request is valid, without warnings except about fields that it leaves out."""
    warnings = RequestParser(known=NAMES, wanted=()).read(json.dumps(example).encode(), now=now).warnings
    assert {warned.code for warned in warnings} <= {"DEFAULT_TAKEN"}


def test_the_example_answer_has_every_field() -> None:
    """The answer, its reason and its pattern have the fields of the code, in their order."""
    (answer,) = [each for each in EXAMPLES if "decision_id" in each]
    assert tuple(answer) == WireAnswer.__struct_fields__
    assert tuple(answer["reasons"][0]) == WireReason.__struct_fields__
    assert tuple(answer["patterns"][0]) == WirePattern.__struct_fields__


def test_the_example_refusal_is_the_services(now) -> None:
    """The body after `curl --json` is refused with the fields that the guide shows."""
    body = re.search(r"curl --json '(.*?)'", GUIDE)[1].encode()
    with pytest.raises(InputError) as caught:
        RequestParser(known=NAMES, wanted=()).read(body, now=now)
    refusal = msgspec.to_builtins(document_of(caught.value)[1])
    shown = re.search(r'\{"type": "urn:.*?\]\}', GUIDE.replace(", ...]", "]"), re.DOTALL)
    expected = json.loads(shown[0])
    assert {name: refusal[name] for name in expected if name != "errors"} == {
        name: value for name, value in expected.items() if name != "errors"
    }
    assert all(each in refusal["errors"] for each in expected["errors"])


@pytest.mark.parametrize("kind", [*KINDS.values(), UNEXPECTED], ids=lambda kind: kind.name)
def test_every_refusal_is_in_the_table(kind) -> None:
    """The table of refusals has every status and kind."""
    assert f"| {kind.status.value} | `{kind.name}` |" in GUIDE


def test_every_warning_is_in_the_table() -> None:
    """The warning codes of the code and of the guide are the same."""
    sources = [*(ROOT / "serving").rglob("*.py"), ROOT / "model/features/input_warning.py"]
    given = {
        code
        for path in sources
        for code in re.findall(r'InputWarning\(\s*"([A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert given == set(re.findall(r"^\| `([A-Z_]+)` \|", GUIDE, re.MULTILINE))


@pytest.mark.parametrize("name", [*Profile.__struct_fields__, *Transaction.__struct_fields__])
def test_every_field_is_described(name) -> None:
    """All fields of profiles and transactions are named, except those that no decision may use."""
    assert f"`{name}`" in GUIDE or name in {"gender", "user_id", "session_id"}
