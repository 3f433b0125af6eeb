"""Reads {class: [documents]}; prints each as the generated class writes it, and the members that the class lacks."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import attrs
from risk_client import models

if TYPE_CHECKING:
    from collections.abc import Iterator


def unknown(value: Any) -> Iterator[str]:
    """The names of members that a class doesn't declare, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from unknown(each)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            held = getattr(value, field.name)
            if field.name == "additional_properties":
                yield from (f"{type(value).__name__}.{name}" for name in held)
            else:
                yield from unknown(held)


written, strangers = {}, []
for name, documents in json.load(sys.stdin).items():
    read = [getattr(models, name).from_dict(document) for document in documents]
    strangers += unknown(read)
    written[name] = [each.to_dict() for each in read]
json.dump({"written": written, "unknown": strangers}, sys.stdout)
