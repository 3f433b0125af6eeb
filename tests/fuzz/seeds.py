"""The targets of `tests/fuzz/decoders.py`, and the corpus of each: valid and nearly valid bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import near_valid

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

INPUT: Final = "The input in base64:"  # what a target prints, before the input itself, when an input fails
LENGTH_BYTES: Final = 2  # of the prefix of a `v2-binary` input: its JSON's length, a header over HTTP


def plant(target: str, features: Sequence[str], folder: Path) -> None:
    """Write a target's corpus into an empty folder, always the same; `features` are the model's."""
    numbers = count()

    @settings(
        max_examples=150,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(body=TARGETS[target](features))
    def kept(body: bytes) -> None:
        (folder / f"{next(numbers)}").write_bytes(body)

    kept()


def _json(features: Sequence[str]) -> SearchStrategy[bytes]:
    return near_valid.spoiled(features).map(near_valid.encode)


def _batch(features: Sequence[str]) -> SearchStrategy[bytes]:
    items = st.lists(_json(features), max_size=3)
    return items.map(lambda bodies: b'{"requests":[' + b",".join(bodies) + b"]}")


def _v2(features: Sequence[str]) -> SearchStrategy[bytes]:
    return st.one_of(near_valid.tensors(features).map(near_valid.encode), _json(features).map(_request_tensor))


def _request_tensor(body: bytes) -> bytes:
    text = json.dumps([body.decode(errors="replace")]).encode()
    return b'{"inputs":[{"name":"request","datatype":"BYTES","shape":[1],"data":' + text + b"}]}"


def _v2_binary(features: Sequence[str]) -> SearchStrategy[bytes]:
    return near_valid.binary_tensors(features).map(_with_length)


def _with_length(parts: tuple[bytes, bytes]) -> bytes:
    head, behind = parts
    return len(head).to_bytes(LENGTH_BYTES, "big") + head + behind


TARGETS: Final[Mapping[str, Callable[[Sequence[str]], SearchStrategy[bytes]]]] = {
    "json": _json,
    "batch": _batch,
    "v2": _v2,
    "v2-binary": _v2_binary,
}
