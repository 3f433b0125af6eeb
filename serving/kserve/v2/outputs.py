"""Answers as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.serving.contract.answer import Answer, render
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.exchange.all_or_none import raise_faults
from customer_risk.serving.kserve.v2.tensors import Datatype

OUTPUTS: Final[dict[str, Datatype]] = {"probability": "FP64", "segment": "BYTES", "action": "BYTES", "answer": "BYTES"}


class Output(msgspec.Struct, frozen=True):
    """A tensor with one value for each customer; a probability is NaN if rules answered."""

    name: str
    data: NDArray[np.float64] | list[bytes]

    @property
    def datatype(self) -> Datatype:
        """The datatype of its values."""
        return OUTPUTS[self.name]


def require_outputs(wanted: Sequence[str]) -> None:
    """Raise InputError if a wanted output doesn't exist."""
    faults = Faults()
    for place, name in enumerate(wanted):
        if name not in OUTPUTS:
            faults.add(f"/outputs/{place}/name", f"expected one of {', '.join(OUTPUTS)}")
    raise_faults(faults)


def outputs_of(answers: Sequence[Answer], wanted: Sequence[str], *, explain: bool) -> list[Output]:
    """Return the `wanted` tensors of answers (empty: all); with `explain`, answers have explanations."""
    return [Output(name, _values(name, answers, explain=explain)) for name in wanted or OUTPUTS]


def _values(name: str, answers: Sequence[Answer], *, explain: bool) -> NDArray[np.float64] | list[bytes]:
    match name:
        case "probability":
            return np.array([answer.decision.probability for answer in answers], np.float64)  # None becomes NaN
        case "segment":
            return [answer.decision.segment.encode() for answer in answers]
        case "action":
            return [answer.decision.action.encode() for answer in answers]
        case _:
            return [msgspec.json.encode(render(answer, explain=explain)) for answer in answers]
