"""docs/guide/auth.md says what the settings and the refusals are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from customer_risk.model.tokens import verification
from customer_risk.serving.auth import authenticator, tokens
from customer_risk.serving.auth.caller import Permission
from customer_risk.serving.auth.rate_limits import LimitSettings
from customer_risk.serving.auth.settings import AuthSettings

GUIDE = (Path(__file__).parents[3] / "docs/guide/auth.md").read_text(encoding="utf-8")
SETTINGS = {
    f"{section}.{name}": getattr(kind(), name)
    for section, kind in (("auth", AuthSettings), ("limits", LimitSettings))
    for name in kind.__struct_fields__
}


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"


@pytest.mark.parametrize(("name", "default"), SETTINGS.items(), ids=SETTINGS)
def test_every_setting_is_described(name, default) -> None:
    """The guide has each setting with its default."""
    row = re.search(rf"^\| `{re.escape(name)}` \|([^|]*)\|", GUIDE, re.MULTILINE)
    assert row[1].strip(" `") == _shown(default)


@pytest.mark.parametrize("module", [tokens, verification, authenticator], ids=lambda module: module.__name__)
def test_every_refusal_is_described(module) -> None:
    """The guide has the text of each refusal of a token."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    texts = re.findall(r'"((?:The|There|Tokens) (?:token|Authorization|is|can)[^"{]*)', source)
    assert texts
    assert [text for text in texts if text.strip() not in GUIDE] == []


@pytest.mark.parametrize("scope", get_args(Permission))
def test_every_scope_is_described(scope) -> None:
    """The guide has each scope in its table."""
    assert re.search(rf"^\| `{scope}` \|", GUIDE, re.MULTILINE)
