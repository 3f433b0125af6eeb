"""Bytes at the decoders, led by their coverage: `decoders.py BUNDLE CORPUS -runs=N -seed=S`, options being libFuzzer's.

It ends with 0 where each of the N inputs was answered or refused.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-untyped]

_ROOT = Path(__file__).parent.parent.parent
# Numba can't compile what has been instrumented.
_COMPILED = [
    ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    for path in (_ROOT / "serving").rglob("*.py")
    if "@compiled" in path.read_text(encoding="utf-8")
]

with atheris.instrument_imports(include=["serving"], exclude=_COMPILED):
    from model.errors import CustomerRiskError
    from model.scoring.bundle import load_bundle
    from serving.items import read_items
    from serving.service import Service
    from serving.v2.body import read_call
    from serving.v2.inputs import read_inputs
    from serving.v2.outputs import OUTPUTS
    from tests.fuzz.judge import judge


def main() -> None:
    """Fuzz until the runs are over; libFuzzer ends the process."""
    _, bundle, corpus, *options = sys.argv
    service = Service("customer-risk")
    service.use(load_bundle(Path(bundle), verify_golden=False))

    def look(data: bytes) -> None:
        body = data[1:]
        match data[:1]:
            case b"b":
                _refusable(lambda: [judge(service, bytes(item)) for item in read_items(body)])
            case b"2":
                _refusable(lambda: _infer(service, body, None))
            case b"3":
                _refusable(lambda: _infer(service, body[2:], int.from_bytes(body[:2], "big")))
            case _:
                judge(service, body)

    atheris.Setup([sys.argv[0], corpus, *options], look)
    atheris.Fuzz()


def _infer(service: Service, body: bytes, length: int | None) -> None:
    received = read_call(body, json_length=length, every=OUTPUTS)
    for question in read_inputs(received.call.inputs, service).questions:
        _refusable(question)


def _refusable(do: Callable[[], object]) -> None:
    with contextlib.suppress(CustomerRiskError):
        do()


if __name__ == "__main__":
    main()
