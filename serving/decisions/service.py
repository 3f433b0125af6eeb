"""The service behind every protocol: it answers with the verified bundle, or with rules if the model can't answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from customer_risk.model.errors import BadField, InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.contract.answer import Answer, ModelName
from customer_risk.serving.decisions.engine import Engine
from customer_risk.serving.decisions.request_parser import ParsedRequest, RequestParser
from customer_risk.serving.errors import NotReady
from customer_risk.serving.offload import Offload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.scoring.bundle import Bundle

Why = Literal["forced", "no-bundle", "fault"]

_READER: Final = RequestParser(known=NAMES, wanted=None)  # for rules, which need no particular feature
_QUIET_SECONDS: Final = 1.0  # between two log lines about faults, so that thousands of them don't hide the first
_log = logging.getLogger("serving")


class Fallback(Protocol):
    """Answers instead of the model."""

    model: ModelName

    def decide(self, read: ParsedRequest, names: tuple[str, ...], *, now: float, why: Why) -> Answer:
        """Answer a parsed request, with a warning that says why rules answer; `names` are the names of its values."""


class Service:
    """Answers under the model's `name`; `clock` returns the time in seconds since 1970. `offload` reads large bodies.

    `fallback` answers instead of the model while it is `forced`, if scoring fails, and, with `without_bundle`, before
    there is a bundle. While it is `timed`, the model's answers to bodies have their `times`. The service is ready while
    it can answer, all required conditions hold and it isn't `draining`.
    """

    def __init__(
        self,
        name: str,
        *,
        fallback: Fallback | None = None,
        without_bundle: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.draining = False
        self.forced = False
        self.timed = False
        self._fallback = fallback
        self._without_bundle = without_bundle
        self._clock = clock
        self.offload = Offload()
        self._conditions: dict[str, Callable[[], bool]] = {}
        self._decider: Engine | None = None
        self._logged = 0.0

    def use(self, bundle: Bundle) -> None:
        """Answer with a verified bundle from now on."""
        self._decider = Engine(bundle, name=self.name)

    def require(self, name: str, holds: Callable[[], bool]) -> None:
        """Make readiness depend on `holds()`, which is called often and must not block; the log shows `name`."""
        self._conditions[name] = holds

    @property
    def unmet(self) -> tuple[str, ...]:
        """Names of the conditions of readiness that don't hold now."""
        return tuple(name for name, holds in self._conditions.items() if not holds())

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.answering and not self.draining and not self.unmet

    @property
    def has_rules(self) -> bool:
        """Whether rules can answer."""
        return self._fallback is not None

    @property
    def answering(self) -> bool:
        """Whether the model or the rules can answer."""
        return self._decider is not None or (self._fallback is not None and self._without_bundle)

    def model(self) -> ModelName:
        """Return the name and version of the model or rules that answer now; raises NotReady if neither can."""
        if self._fallback is not None and (self.forced or (self._decider is None and self._without_bundle)):
            return self._fallback.model
        return self._deciding().model

    def names(self) -> tuple[str, ...]:
        """Return the model's features in order; raises NotReady if there is no model."""
        return self._deciding().names

    def answer(self, body: bytes, *, at: str = "") -> Answer:
        """Answer one request's bytes; raises MalformedBody, NotReady, or InputError with pointers from `at`."""
        decider, now = self._decider_or_none(), self._clock()
        reader = _READER if decider is None else decider.reader
        if not self.timed:
            return self._answer(decider, reader.read(body, now=now, at=at), now)
        began = time.perf_counter()
        read = reader.read(body, now=now, at=at)
        return self._answer(decider, read, now, [began, time.perf_counter()])

    def answer_values(self, customer_id: str, values: NDArray[np.float64]) -> Answer:
        """Return the answer for features float64[f] in the order of `names`, NaN where missing.

        Raises InputError if there are more or fewer, or one is infinite; NotReady if there is no model.
        """
        decider = self._deciding()
        if values.shape != (len(decider.names),):
            raise InputError((BadField("/features", f"expected {len(decider.names)} values; got {values.size}"),))
        if np.isinf(values).any():
            infinite = [decider.names[place] for place in np.flatnonzero(np.isinf(values)).tolist()]
            raise InputError(tuple(BadField(f"/features/{name}", "must be finite, or missing") for name in infinite))
        return self._answer(decider, ParsedRequest(customer_id, None, None, values, ()), self._clock())

    def _answer(
        self, decider: Engine | None, read: ParsedRequest, now: float, times: list[float] | None = None
    ) -> Answer:
        if decider is not None and not self.forced:
            if self._fallback is None:
                return decider.decide(read, now=now, times=times)
            try:
                return decider.decide(read, now=now, times=times)
            except Exception:  # noqa: BLE001  rules answer whatever the fault is
                self._note(now)
                return self._by_rules(self._fallback, read, decider.names, now, "fault")
        if self._fallback is None:  # forced, but there are no rules
            return self._deciding().decide(read, now=now, times=times)
        names = _READER.names if decider is None else decider.names
        return self._by_rules(self._fallback, read, names, now, "forced" if self.forced else "no-bundle")

    def _by_rules(self, rules: Fallback, read: ParsedRequest, names: tuple[str, ...], now: float, why: Why) -> Answer:
        try:
            return rules.decide(read, names, now=now, why=why)
        except Exception as error:
            self._note(now)
            raise NotReady("Neither the model nor the rules can answer.", remedy="Try again shortly.") from error

    def _note(self, now: float) -> None:
        if abs(now - self._logged) >= _QUIET_SECONDS:
            self._logged = now
            _log.exception("an answer failed; rules answer instead if they can")

    def _decider_or_none(self) -> Engine | None:
        """Return the engine; None if rules may answer without it."""
        return self._decider if self.answering and self._fallback is not None else self._deciding()

    def _deciding(self) -> Engine:
        if self._decider is None:
            raise NotReady("No bundle is verified yet.", remedy="Try again once /v2/health/ready returns 200.")
        return self._decider
