"""docs/guide/client.md says what the client does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import customer_risk.serving.client
from customer_risk.serving.client import ClientError, Patience, RiskClient

GUIDE = (Path(__file__).parent.parent.parent.parent / "docs/guide/client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_the_first_example_runs(url, capsys) -> None:
    """Against a server, it prints a decision."""
    exec(EXAMPLES[0].replace("http://127.0.0.1:8080", url) + "client.close()\n", {})  # noqa: S102  our own guide
    assert capsys.readouterr().out.split()[0] in {"low", "medium", "high"}


def test_the_second_example_runs() -> None:
    """It makes a client."""
    exec(EXAMPLES[1] + "client.close()\n", {})  # noqa: S102  our own guide


@pytest.mark.parametrize("name", Patience.__struct_fields__)
def test_the_patience_is_described(name) -> None:
    """Each setting with its default."""
    assert re.search(rf"\| `{name}` \|.*\| {getattr(Patience(), name):g} \|", GUIDE)


def test_every_error_is_described() -> None:
    """All that can be raised stand in the table."""
    errors = {name for name in customer_risk.serving.client.__all__ if name.endswith("Error")} - {ClientError.__name__}
    assert errors == set(re.findall(r"^\| `(\w+Error)` \|", GUIDE, re.MULTILINE))


@pytest.mark.parametrize("name", [name for name in vars(RiskClient) if name[0] != "_" and name != "close"])
def test_every_call_is_described(name) -> None:
    """Each method stands in the table."""
    assert f"`{name}(" in GUIDE
