"""The engine: answers requests of every protocol with one verified bundle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.features.catalogue import BY_NAME, NAMES
from customer_risk.model.features.columns import encode_columns
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.scoring.compiled import compiled
from customer_risk.serving.contract.answer import Answer, Basis, ModelName, Times, answer_of
from customer_risk.serving.contract.pointers import pointer_to
from customer_risk.serving.decisions.input_warnings import important_first
from customer_risk.serving.decisions.request_parser import ParsedRequest, RequestParser
from customer_risk.serving.decisions.versions import versions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.patterns.found_pattern import FoundPattern
    from customer_risk.model.scoring.bundle import Bundle


class Engine:
    """Answers requests with `bundle`, under the model's `name`."""

    def __init__(self, bundle: Bundle, *, name: str | None = None) -> None:
        self.model = ModelName(name or bundle.manifest.name, bundle.version)
        self.names = bundle.manifest.features
        self._action_rule, self._wordings = versions_of(bundle.manifest)
        self.reader = RequestParser(known=NAMES, wanted=self.names)
        self._scorer = bundle.scorer
        self._compute = bundle.model_features().compute
        self._finder = bundle.finder()
        features = [BY_NAME[name] for name in self.names]
        self._low, self._high = np.array([each.low for each in features]), np.array([each.high for each in features])

    def decide(self, read: ParsedRequest, *, now: float, times: list[float] | None = None) -> Answer:
        """Return the answer to a parsed request; `now` is in seconds since 1970.

        `times` has the first two fields of the answer's `times`; None leaves them out.
        Patterns are searched if transactions are given and the bundle has an action rule.
        """
        encoded, values, warnings = None, read.values, read.warnings
        patterns: tuple[FoundPattern, ...] | None = None
        if read.person is not None and read.history is not None:
            encoded, unknown = encode_columns(read.person, read.history)
            values = self._compute(encoded)
            if self._finder is not None:
                patterns = self._finder.find_one(encoded)
            warnings = (*warnings, *unknown)
        if any_beyond(values, self._low, self._high):
            warnings = (*warnings, *self._implausible(values, given=read.person is None))
        if times is not None:
            times.append(time.perf_counter())
        decision = self._scorer.judge(values, patterns)
        if times is not None:
            times.append(time.perf_counter())
        return answer_of(
            decision,
            customer_id=read.customer_id,
            source="model",
            model=self.model,
            warnings=important_first(read.as_sent(warnings)) if warnings else (),
            basis=Basis(
                names=self.names,
                values=values,
                encoded=encoded,
                history_complete=read.history_complete,
                action_rule=self._action_rule,
                wordings=self._wordings,
            ),
            now=now,
            times=None if times is None else Times(*times),
        )

    def _implausible(self, values: NDArray[np.float64], *, given: bool) -> list[InputWarning]:
        found = []
        for place in np.flatnonzero((values < self._low) | (values > self._high)).tolist():
            name, low, high = self.names[place], self._low[place], self._high[place]
            detail = f"{name} is {values[place]:g}; plausible values are {low:g} to {high:g}. It was used unchanged."
            found.append(InputWarning("IMPLAUSIBLE_VALUE", pointer_to("/features", name) if given else "", detail))
        return found


@compiled
def any_beyond(values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Return whether any of values float64[f] is outside its bounds; NaN, a missing value, never is."""
    for i in range(values.size):  # noqa: SIM110  compiled code takes no generators
        if values[i] < low[i] or values[i] > high[i]:
            return True
    return False
