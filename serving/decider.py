"""A request in, an answer out, with one verified bundle: what every protocol shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from model.errors import BadField, InputError
from model.features.catalogue import NAMES
from model.scoring.scorer import Decision, Warned
from serving.answer import Answer, ModelName, answer_of
from serving.request import Read, Reader

if TYPE_CHECKING:
    from model.scoring.bundle import Bundle

MOST_WARNINGS: Final = 50  # told in one answer


class Decider:
    """Answers requests with `bundle`; `clock` gives the time in seconds since 1970."""

    def __init__(self, bundle: Bundle, *, clock: Callable[[], float] = time.time) -> None:
        self.model = ModelName(bundle.manifest.name, bundle.version)
        self._names = bundle.manifest.features
        self._scorer = bundle.scorer
        self._reader = Reader(known=NAMES, wanted=self._names)
        self._clock = clock

    def answer(self, body: bytes) -> Answer:
        """Answer one request's bytes; raises MalformedBody, or InputError naming every bad field."""
        return self.decide(self._reader.read(body, now=self._clock()))

    def read(self, document: object, *, at: str) -> Read:
        """Read one of several decoded requests; `at` points at it. Raises InputError naming every bad field."""
        return self._reader.read_document(document, now=self._clock(), at=at)

    def decide(self, read: Read, *, at: str = "") -> Answer:
        """Answer a request that was read; raises InputError where only the scoring finds a field to be bad."""
        try:
            decision = self._decision(read)
        except InputError as error:
            raise InputError(tuple(BadField(at + each.pointer, each.detail) for each in error.fields)) from error
        return answer_of(
            decision,
            customer_id=read.request.customer_id,
            model=self.model,
            warnings=_at_most(read.as_sent((*read.warnings, *decision.warnings))),
            now=self._clock(),
        )

    def _decision(self, read: Read) -> Decision:
        features = read.features()
        if features is None:
            return self._scorer.decide(read.profile(), read.transactions())
        # A caller may send the whole catalogue; the scorer takes what the model uses.
        return self._scorer.decide_features({name: features[name] for name in self._names})


def _at_most(warnings: Sequence[Warned]) -> Sequence[Warned]:
    if len(warnings) <= MOST_WARNINGS:
        return warnings
    more = len(warnings) - MOST_WARNINGS
    return (*warnings[:MOST_WARNINGS], Warned("MORE_WARNINGS", "", f"{more} more of the same kinds are not listed."))
