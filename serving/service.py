"""The one object that every protocol asks: it answers with the verified bundle, or by rules where that can't."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from model.errors import BadField, InputError
from model.features.catalogue import NAMES
from serving.answer import Answer, ModelName
from serving.decider import Decider
from serving.errors import NotReady
from serving.request import Read, Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.scoring.bundle import Bundle

_NOBODY: Final = Reader(known=NAMES, wanted=())  # reads for rules, which want no feature in particular


class Service:
    """Answers under the model's `name`; `clock` gives the time in seconds since 1970.

    It is ready once it has a verified bundle, and no longer when `draining`.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.draining = False
        self._clock = clock
        self._decider: Decider | None = None

    def use(self, bundle: Bundle) -> None:
        """Answer with a verified bundle from now on."""
        self._decider = Decider(bundle, name=self.name)

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self._decider is not None and not self.draining

    def model(self) -> ModelName:
        """Name what answers now; raises NotReady where nothing can."""
        return self._deciding().model

    def names(self) -> tuple[str, ...]:
        """Name the model's features in order; raises NotReady where there is no model."""
        return self._deciding().names

    def answer(self, body: bytes | msgspec.Raw, *, at: str = "") -> Answer:
        """Answer one request's bytes; raises MalformedBody, NotReady, or InputError with pointers from `at`."""
        decider, now = self._deciding(), self._clock()
        return decider.decide(decider.reader.read(body, now=now, at=at), now=now)

    def answer_document(self, document: object, *, at: str = "") -> Answer:
        """Answer a decoded request, one of several that `at` points at; raises as `answer` does."""
        decider, now = self._deciding(), self._clock()
        return decider.decide(decider.reader.read_document(document, now=now, at=at), now=now)

    def answer_values(self, customer_id: str, values: NDArray[np.float64]) -> Answer:
        """Answer for features float64[f] in the order of `names`, NaN where missing.

        Raises InputError where there are more or fewer, or one isn't finite.
        """
        decider = self._deciding()
        if values.shape != (len(decider.names),):
            raise InputError((BadField("/features", f"expected {len(decider.names)} values; got {values.size}"),))
        if np.isinf(values).any():
            infinite = [decider.names[place] for place in np.flatnonzero(np.isinf(values)).tolist()]
            raise InputError(tuple(BadField(f"/features/{name}", "must be finite, or missing") for name in infinite))
        return decider.decide(Read(customer_id, None, None, values, ()), now=self._clock())

    def _deciding(self) -> Decider:
        if self._decider is None:
            raise NotReady("No bundle is verified yet.", remedy="Try again shortly; /v2/health/ready says when.")
        return self._decider
