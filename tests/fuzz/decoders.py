"""Fuzz one decoder, guided by its coverage: `decoders.py TARGET BUNDLE CORPUS [OPTIONS]`; OPTIONS are libFuzzer's.

The exit code is 0 if each input was answered or refused. `tests/fuzz/seeds.py` names the targets and makes their
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

_PACKAGE = Path(__file__).parent.parent.parent / "src" / "customer_risk"


def _name(path: Path) -> str:
    return ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


# Coverage of the decoders is what guides: they are in serving. Numba can't compile what has been instrumented.
_NOT_INSTRUMENTED = [
    *map(_name, (_PACKAGE / "model").rglob("*.py")),
    *(_name(path) for path in (_PACKAGE / "serving").rglob("*.py") if "@compiled" in path.read_text(encoding="utf-8")),
]

# It includes whole top-level packages only.
with atheris.instrument_imports(include=[_PACKAGE.name], exclude=_NOT_INSTRUMENTED):
    from customer_risk.model.errors import CustomerRiskError, InputError
    from customer_risk.model.scoring.bundle import load_bundle
    from customer_risk.serving.contract.batch import read_items
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.decisions.validation import MOST_FAULTS
    from customer_risk.serving.errors import MalformedBody
    from customer_risk.serving.exchange.exchange import Exchange
    from customer_risk.serving.kserve.v2.body import read_call, write_response
    from customer_risk.serving.kserve.v2.models import Models
    from customer_risk.serving.kserve.v2.outputs import OUTPUTS
    from customer_risk.serving.kserve.v2.tensors import Tensor
    from tests.fuzz.judge import check_pointer, judge, read, require_malformed
    from tests.fuzz.seeds import INPUT, LENGTH_BYTES, TARGETS


def main() -> None:
    """Fuzz a target until libFuzzer's limit of runs or of time is reached; libFuzzer then ends the process."""
    _, target, bundle, corpus, *options = sys.argv
    service = Service("customer-risk")
    service.use(load_bundle(Path(bundle), verify_golden=False))
    models = Models(Exchange(service))

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
            # libFuzzer does not write its own file of the input if the process ends slowly.
            print(INPUT, b64encode(data).decode(), file=sys.stderr, flush=True)  # noqa: T201
            raise

    for seed in sorted(Path(corpus).iterdir()):
        look(seed.read_bytes())  # compiles the kernels before libFuzzer measures the time of each input
    atheris.Setup([sys.argv[0], corpus, *options], look)
    atheris.Fuzz()


def _batch(service: Service, body: bytes) -> None:
    try:
        items = read_items(body)
    except MalformedBody:
        require_malformed(body)
        return
    except CustomerRiskError:
        return
    for item in items:
        judge(service, bytes(item))


def _infer(models: Models, body: bytes, length: int | None) -> None:
    """Answer a V2 body; check that the answer has the outputs asked for, or that the refusal points into the body.

    Raises AssertionError, KeyError or IndexError if the check fails.
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
    except MalformedBody:
        if length is None or length <= len(body):
            require_malformed(body[:length])
        return
    except CustomerRiskError:
        return
    content, written = write_response(
        inferred.model, inferred.outputs, request_id=received.call.id, binary=received.binary
    )
    answer = json.loads(content[:written])
    assert [output["name"] for output in answer["outputs"]] == list(received.call.outputs or OUTPUTS)


def _values(tensor: Tensor) -> list[Any]:
    """Return a tensor's values as JSON pointers address them: nested if it has a width, each text as the JSON in it."""
    values = [read(text)[0] for text in tensor.data] if isinstance(tensor.data, list) else tensor.data.tolist()
    if tensor.width is None:
        return values
    return [values[place : place + tensor.width] for place in range(0, len(values), tensor.width or 1)]


def _done(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that only yields to the event loop, and return its result."""
    try:
        while True:
            call.send(None)
    except StopIteration as over:
        return over.value


if __name__ == "__main__":
    main()
