"""The pages about features are current."""

from __future__ import annotations

import re
from pathlib import Path

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.guide import features_reference

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = DOCS / "reference" / "features.md"


def test_reference_is_current_and_has_every_feature() -> None:
    """docs/reference/features.md is what the command in its first lines writes, with a row for each feature."""
    assert REFERENCE.read_text(encoding="utf-8") == features_reference()
    assert all(f"\n| `{name}` | " in features_reference() for name in NAMES)


def test_python_of_the_readers_page_runs(synthetic) -> None:
    """The code in docs/guide/features.md makes a table with a column for each feature."""
    (code,) = re.findall(
        r"```python\n(.*?)```", (DOCS / "guide" / "features.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict = {}
    exec(code.replace("my/tables", str(synthetic)), names)  # noqa: S102  our own page
    assert names["frame"].columns == ["customer_id", *NAMES]
