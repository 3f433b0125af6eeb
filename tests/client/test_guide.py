"""docs/guide/client.md and client/README.md say what the clients do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import customer_risk_client
from customer_risk_client import AsyncRiskClient, ClientError, Patience, RiskClient

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guide/client.md").read_text(encoding="utf-8")
METHODS = [name for name in vars(RiskClient) if name[0] != "_" and name != "close"]


def _run(text: str, url: str = "http://127.0.0.1:8080") -> None:
    """Run the Python examples of a page one after the other."""
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(example.replace("http://127.0.0.1:8080", url), names)  # noqa: S102  our own pages


@pytest.mark.parametrize("page", ["docs/guide/client.md", "client/README.md"])
def test_the_examples_run(page, url, capsys) -> None:
    """The examples of a page print decisions of a server, and the fields of a refused request."""
    _run((ROOT / page).read_text(encoding="utf-8"), url)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.split()[0] in {"low", "medium", "high"}
    assert last.startswith("422 ['/customer_id'")


@pytest.mark.parametrize("name", Patience.__struct_fields__)
def test_every_field_of_patience_is_described(name) -> None:
    """The guide has each field of Patience with its default."""
    assert re.search(rf"\| `{name}` \|.*\| {getattr(Patience(), name):g} \|", GUIDE)


def test_every_error_is_described() -> None:
    """The guide has every error in its table."""
    errors = {name for name in customer_risk_client.__all__ if name.endswith("Error")} - {ClientError.__name__}
    assert errors == set(re.findall(r"^\| `(\w+Error)` \|", GUIDE, re.MULTILINE))


def test_both_clients_have_the_same_methods() -> None:
    """The asynchronous client has the methods of the synchronous one, with the same parameters."""
    for name in [*METHODS, "close"]:
        ours, theirs = getattr(RiskClient, name), getattr(AsyncRiskClient, name)
        assert ours.__annotations__ == theirs.__annotations__
        assert ours.__kwdefaults__ == theirs.__kwdefaults__


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_described(name) -> None:
    """The guide has each method in its table."""
    assert f"`{name}(" in GUIDE
