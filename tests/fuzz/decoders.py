"""Bytes at one decoder, led by its coverage: `decoders.py TARGET BUNDLE CORPUS [OPTIONS]`, options being libFuzzer's.

It ends with 0 where each input was answered or refused. `tests/fuzz/seeds.py` names the targets and makes their
corpora.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]

_ROOT = Path(__file__).parent.parent.parent
# Numba can't compile what has been instrumented.
_COMPILED = [
    ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    for path in (_ROOT / "serving").rglob("*.py")
    if "@compiled" in path.read_text(encoding="utf-8")
]

with atheris.instrument_imports(include=["serving"], exclude=_COMPILED):
    from model.errors import CustomerRiskError, InputError
    from model.scoring.bundle import load_bundle
    from serving.faults import MOST_FAULTS
    from serving.items import read_items
    from serving.service import Service
    from serving.v2.body import read_call, write_response
    from serving.v2.models import Models
    from serving.v2.outputs import OUTPUTS
    from serving.v2.tensors import Tensor
    from tests.fuzz.judge import check_pointer, judge, read
    from tests.fuzz.seeds import LENGTH_BYTES, TARGETS


def main() -> None:
    """Fuzz a target until the runs or the time are over; libFuzzer ends the process."""
    _, target, bundle, corpus, *options = sys.argv
    service = Service("customer-risk")
    service.use(load_bundle(Path(bundle), verify_golden=False))
    models = Models(service)

    def binary(data: bytes) -> None:
        _infer(models, data[LENGTH_BYTES:], int.from_bytes(data[:LENGTH_BYTES], "big"))

    looks: dict[str, Callable[[bytes], object]] = {
        "json": lambda data: judge(service, data),
        "batch": lambda data: _batch(service, data),
        "v2": lambda data: _infer(models, data, None),
        "v2-binary": binary,
    }
    assert looks.keys() == TARGETS.keys()

    def look(data: bytes) -> None:
        try:
            looks[target](data)
        except BaseException:
            # libFuzzer's own file of it is not written where the process ends slowly.
            print("The input in base64:", b64encode(data).decode(), file=sys.stderr, flush=True)  # noqa: T201
            raise

    for seed in sorted(Path(corpus).iterdir()):
        look(seed.read_bytes())  # compiles the kernels before libFuzzer takes the time of an input
    atheris.Setup([sys.argv[0], corpus, *options], look)
    atheris.Fuzz()


def _batch(service: Service, body: bytes) -> None:
    try:
        items = read_items(body)
    except CustomerRiskError:
        return
    for item in items:
        judge(service, bytes(item))


def _infer(models: Models, body: bytes, length: int | None) -> None:
    """Have a V2 body answered; check that a refusal points into the body, or that the answer has the outputs asked for.

    Raises AssertionError, KeyError or IndexError where that isn't so.
    """
    tensors: list[Tensor] = []
    try:
        received = read_call(body, json_length=length, every=OUTPUTS)
        tensors = received.call.inputs
        inferred = _done(models.infer(received.call))
    except InputError as refusal:
        document, _ = read(body[:length])
        if document is not None:
            for given, tensor in zip(document["inputs"], tensors, strict=True) if tensors else ():
                given["data"] = _values(tensor)
            for field in refusal.fields[:MOST_FAULTS]:
                check_pointer(field.pointer, document)
        return
    except CustomerRiskError:
        return
    content, written = write_response(
        inferred.model, inferred.outputs, request_id=received.call.id, binary=received.binary
    )
    answer = json.loads(content[:written])
    assert [output["name"] for output in answer["outputs"]] == list(received.call.outputs or OUTPUTS)


def _values(tensor: Tensor) -> list[Any]:
    """List a tensor's values as pointers go on into them: nested where its JSON was, and texts as the JSON in them."""
    values = [read(text)[0] for text in tensor.data] if isinstance(tensor.data, list) else tensor.data.tolist()
    if tensor.width is None:
        return values
    return [values[place : place + tensor.width] for place in range(0, len(values), tensor.width or 1)]


def _done(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing but its next turn."""
    try:
        while True:
            call.send(None)
    except StopIteration as over:
        return over.value


if __name__ == "__main__":
    main()
