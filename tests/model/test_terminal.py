"""The output of commands."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from customer_risk.model.errors import SignOffError
from customer_risk.model.terminal import echo, echo_error, echo_json, echo_lines, format_json

HOSTILE = "x\nforged\x1b]52;c;cm0=\x07\x9b2J\u202e\u2028\x7f\r"
RAW = set("\x1b\x07\x9b\u202e\u2028\x7f\r")
_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "show",
    [
        echo,
        echo_json,
        lambda text: echo_lines(text.replace("\n", " ")),
        lambda text: echo_error(SignOffError(text, remedy=text), err=False),
        lambda text: echo_error(SignOffError(text, remedy=text, details=(text, text)), err=False),
    ],
    ids=["line", "json", "lines", "error", "error with details"],
)
def test_hostile_text_is_printed_as_text(show, capsys) -> None:
    """No function prints a control character of a text, or makes another line of a part of it."""
    show(HOSTILE)
    printed = capsys.readouterr().out
    assert "forged" in printed
    assert not set(printed) & RAW
    assert not any(line.startswith("forged") for line in printed.splitlines())


def test_an_error_has_a_line_for_each_detail(capsys) -> None:
    """An error with details is printed as a line for its problem, one for each detail, and one for its remedy."""
    echo_error(SignOffError("2 lines can't be accepted:", remedy="Sign them.", details=("line 1", "line 2")))
    assert capsys.readouterr().err.splitlines() == [
        "error: 2 lines can't be accepted:",
        "  line 1",
        "  line 2",
        "Sign them.",
    ]


def test_json_is_read_back_as_it_was() -> None:
    """Printed JSON is read back as the same value, since its escapes are those of JSON."""
    value = {"a": [HOSTILE, 1, None, "\\u0041"], HOSTILE: {}}
    text = format_json(value)
    assert json.loads(text) == value
    assert not set(text) & RAW


@pytest.mark.parametrize("folder", ["model", "serving", "k8s", "loadtest"])
def test_only_one_module_prints(folder) -> None:
    """Only the module `terminal` prints, since it escapes; all other modules use it."""
    for path in (_ROOT / folder).rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        names = {ast.unparse(each.func) for each in calls}
        assert path.name == "terminal.py" or not names & {"click.echo", "click.secho", "print"}, path
