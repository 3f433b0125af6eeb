"""Rules as the service's fallback: the answer to a parsed request has a warning that says why rules answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.columns import encode_columns
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.features.wordings import CURRENT
from customer_risk.serving.contract.answer import Answer, Basis, ModelName, answer_of
from customer_risk.serving.decisions.input_warnings import important_first

if TYPE_CHECKING:
    from customer_risk.serving.decisions.fallback.ruleset import RuleSet
    from customer_risk.serving.decisions.request_parser import ParsedRequest
    from customer_risk.serving.decisions.service import Why

_WHY: Final[dict[str, str]] = {
    "forced": "an administrator has switched the model off",
    "no-bundle": "no model is verified yet",
    "fault": "the model failed on this request",
}


class RuleFallback:
    """Answers with `rules`, under `name`."""

    def __init__(self, rules: RuleSet, name: str) -> None:
        self.model = ModelName(name, rules.version)
        self._rules = rules

    def decide(self, read: ParsedRequest, names: tuple[str, ...], *, now: float, why: Why) -> Answer:
        """Answer a request; `names` are the names of its features. From transactions, every feature is computed."""
        encoded, values, warnings = None, read.values, read.warnings
        if read.person is not None and read.history is not None:
            encoded, unknown = encode_columns(read.person, read.history)
            names, values = NAMES, kernel.compute(encoded)[0]
            warnings = (*warnings, *unknown)
        warning = InputWarning("RULES_ANSWERED", "", f"Rules answered instead of the model: {_WHY[why]}.")
        return answer_of(
            self._rules.judge(dict(zip(names, values.tolist(), strict=True))),
            customer_id=read.customer_id,
            source="rules",
            model=self.model,
            warnings=(warning, *important_first(read.as_sent(warnings))),
            basis=Basis(
                names=names,
                values=np.asarray(values),
                encoded=encoded,
                history_complete=read.history_complete,
                wordings=CURRENT,
            ),
            now=now,
        )
