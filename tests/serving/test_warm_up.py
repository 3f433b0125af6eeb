"""The invented model with which everything is compiled."""

from __future__ import annotations

from customer_risk.serving import warm_up
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.kserve.warm_up import take_every_path


class _Noting(Service):
    """A service that keeps the number of patterns in each answer."""

    def answer(self, body: bytes, **options: object) -> object:
        answer = super().answer(body, **options)
        found = answer.decision.patterns
        self.found.append(None if found is None else len(found))
        return answer


def test_the_search_for_patterns_is_warmed_up() -> None:
    """The requests include customers with a pattern, without a pattern, and with features only."""
    service = _Noting("warm-up")
    service.found = []
    service.use(warm_up._bundle(warm_up._trees()))
    take_every_path(service)
    assert {None, 0, 1} <= set(service.found)
