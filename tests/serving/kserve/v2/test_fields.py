"""The number of fields of a gRPC message, counted before it is parsed."""

from __future__ import annotations

import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from benchmarks.serving.hostile import GRPC, corpus
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.contract.batch import MOST_ITEMS
from customer_risk.serving.errors import BodyTooLarge, MalformedBody
from customer_risk.serving.kserve.v2.fields import holds_more
from customer_risk.serving.kserve.v2.grpc import parse
from customer_risk.serving.kserve.v2.tensors import MOST_VALUES

LARGE = {"empty inputs", "empty outputs", "empty raw contents", "empty texts", "parameters", "a long shape", "integers"}


def _counted(message: bytes) -> int:
    return next(most for most in range(1000) if not holds_more(message, most))


def test_fields_are_counted_at_every_level() -> None:
    """The fields of a request, of its tensors and of their contents are counted, and each integer of a packed field."""
    request = pb.ModelInferRequest(model_name="m")
    assert _counted(request.SerializeToString()) == 1
    tensor = request.inputs.add(name="n", datatype="BYTES", shape=[1, 2])
    assert _counted(request.SerializeToString()) == 1 + 1 + 3 + 2
    tensor.contents.bytes_contents.extend([b"a", b"b", b""])
    assert _counted(request.SerializeToString()) == 7 + 1 + 3
    tensor.contents.int_contents.extend([1, 2])
    assert _counted(request.SerializeToString()) == 11 + 1 + 2
    tensor.contents.fp64_contents.extend([1.0] * 100)
    assert _counted(request.SerializeToString()) == 14 + 1
    assert _counted(b"\xa3\x06\x08\x01\xa4\x06" + request.SerializeToString()) == 15 + 3  # a group, and what it holds
    request.outputs.add(name="o")
    assert _counted(request.SerializeToString()) == 15 + 2


def test_the_largest_valid_calls_are_parsed() -> None:
    """A call about a thousand customers is accepted as texts, and as one or several tensors of features."""
    texts, whole, single = (pb.ModelInferRequest(model_name="m") for _ in range(3))
    texts.inputs.add(name="request").contents.bytes_contents.extend([b"{}"] * MOST_ITEMS)
    whole.inputs.add(name="features").contents.fp64_contents.extend([1.0] * MOST_ITEMS * len(NAMES))
    for name in NAMES:
        single.inputs.add(name=name).contents.fp64_contents.extend([1.0] * MOST_ITEMS)
    for request in (texts, whole, single):
        assert parse(pb.ModelInferRequest, request.SerializeToString()) == request


@pytest.mark.compiled
@pytest.mark.parametrize("name", sorted(LARGE))
def test_a_message_of_a_million_parts_is_refused_unparsed(name) -> None:
    """A message that would need hundreds of megabytes once parsed is refused before it is parsed."""
    message = next(one.body for one in corpus(4_000_000, {name}) if one.entrance == GRPC)
    with pytest.raises(BodyTooLarge, match=f"{MOST_VALUES:,}"):
        parse(pb.ModelInferRequest, message)


def test_fields_after_an_unknown_group_are_counted() -> None:
    """Fields after a group with an unknown number are counted."""
    message = b"\xa3\x06\xa4\x06" + b"\x2a\x00" * 500_000
    with pytest.raises(BodyTooLarge):
        parse(pb.ModelInferRequest, message)


@pytest.mark.parametrize(
    "message",
    [
        b"\x2a",
        b"\x2a\x05a",
        b"\xff" * 20,
        b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b",
        b"\x2a\x02\x2a\x7f",
        b"\x09a",
        b"\x0a\x01\xff",
    ],
)
def test_a_message_that_cant_be_parsed_is_malformed(message) -> None:
    """A message that can't be parsed is refused as malformed."""
    assert not holds_more(message, 100)
    with pytest.raises(MalformedBody, match="isn't a ModelInferRequest"):
        parse(pb.ModelInferRequest, message)
