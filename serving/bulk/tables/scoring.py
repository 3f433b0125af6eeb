"""Scores requests to lines of results; each decision is recorded before its line counts."""

from __future__ import annotations

from typing import Final

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.bulk.tables.outputs.rows import Place, answered, refused
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.errors import Later
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import NotAnswered, Outcome, Refused, RequestContext


class RecordsLost(CustomerRiskError):
    """The records of all lines since the last `commit` are lost."""


ROUTE: Final = "batch"
REFUSED: Final = "refused"
_MOST_PENDING: Final = 500  # outcomes between two commits
_encode: Final = msgspec.json.Encoder().encode


class Scoring:
    """Scores rows through `exchange`, on behalf of `caller`."""

    def __init__(self, exchange: Exchange, *, explain: bool, caller: str, patience: Patience) -> None:
        self._exchange = exchange
        scopes = frozenset({"explain"} if explain else ())
        self._context = RequestContext(ROUTE, Caller(caller, scopes))
        self._patience = patience
        self._pending: list[Outcome] = []

    def line(self, request: bytes, place: Place, row: int) -> tuple[bytes, str]:
        """Score a request; return its line and its segment, REFUSED if it was refused.

        Raises RecordsLost, and Later if the record or another service was unavailable for too long.
        """
        if len(self._pending) >= _MOST_PENDING:
            self.commit()
        outcome = self._patience.have(lambda: self._outcome(request))
        self._pending.append(outcome)
        if isinstance(outcome, Refused):
            made = refused(place, row, outcome.customer_id, outcome.kind, outcome.problem)
        else:
            made = answered(place, row, outcome.shown())
        return _encode(made) + b"\n", made.segment or REFUSED

    def commit(self) -> None:
        """Make the records so far durable; raises RecordsLost if they may be lost."""
        pending, self._pending = self._pending, []
        try:
            self._exchange.commit_all(pending)
        except NotAnswered as error:
            raise RecordsLost(str(error), remedy="The part is scored again.") from error

    def _outcome(self, request: bytes) -> Outcome:
        outcome = self._exchange.answer(request, self._context, naming=True)
        if isinstance(outcome, Refused) and outcome.retry_after is not None:  # the row didn't cause it
            self.commit()
            raise Later(outcome.problem.detail, remedy="The row is scored again.")
        return outcome
