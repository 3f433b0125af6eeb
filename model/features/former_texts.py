"""Former texts of formulas and terms, which the catalogue's hash covers instead of the current texts.

former_texts.json has them by the current text. Such a text was reworded, and the computation didn't change, so bundles
that have the hash stay valid. If the computation changes, write a new text and add nothing here: the hash then changes.
"""

from __future__ import annotations

import functools
from pathlib import Path

from customer_risk.model.files import parse_json, read_file


@functools.cache
def former_texts() -> dict[str, str]:
    """Return the former texts by the current text."""
    return parse_json(read_file(Path(__file__).with_suffix(".json")), dict[str, str])
