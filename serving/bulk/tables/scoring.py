"""Requests in, lines of results out; each decision is recorded before its line counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.bulk.tables.outputs.rows import Place, ResultRow, answered, refused
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.contract.answer import render
from customer_risk.serving.contract.problem import UNEXPECTED, document_of
from customer_risk.serving.errors import Later

if TYPE_CHECKING:
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.recorder import Recorder


class RecordsLost(CustomerRiskError):
    """Decisions whose records are gone, though their lines are written: all since the last `settle`."""


ROUTE: Final = "batch"
REFUSED: Final = "refused"
_encode: Final = msgspec.json.Encoder().encode
_log = logging.getLogger("serving.batch")


class Scoring:
    """Scores rows with a service that has its bundle; `caller` is who the record says has asked."""

    def __init__(
        self, service: Service, *, explain: bool, caller: str, patience: Patience, recorder: Recorder | None = None
    ) -> None:
        self._service = service
        self._explain = explain
        self._caller = caller
        self._patience = patience
        self._recorder = recorder

    def line(self, request: bytes, place: Place, row: int) -> tuple[bytes, str]:
        """Score a request; gives its line and its segment, REFUSED where it was.

        Raises Later where the record, or whatever else answers need, was away for too long; RecordsLost.
        """
        made = self._patience.have(lambda: self._row(request, place, row))
        return _encode(made) + b"\n", made.segment or REFUSED

    def settle(self) -> None:
        """See to it that what was recorded so far survives; raises RecordsLost where it may not."""
        if self._recorder is None:
            return
        try:
            self._recorder.settle()
        except Later as error:
            raise RecordsLost(error.problem, remedy="The part is scored again.") from error

    def _row(self, request: bytes, place: Place, row: int) -> ResultRow:
        try:
            answer = self._service.answer(request)
            if self._recorder is not None:
                self._recorder.decided(answer, caller=self._caller, route=ROUTE, trace=None, took=-1)
        except Later:  # of no room in the outbox: the row isn't to blame
            self.settle()
            raise
        except Exception as error:  # noqa: BLE001  a bad row is told as one; the others are scored
            kind, problem = document_of(error)
            if kind is UNEXPECTED:
                _log.error("a row failed", exc_info=error)
            if self._recorder is not None:
                self._recorder.refused(error, caller=self._caller, route=ROUTE, trace=None)
            return refused(place, row, _customer(request), kind, problem)
        return answered(place, row, render(answer, explain=self._explain))


def _customer(request: bytes) -> str | None:
    """Say whose row was refused, where that can be read."""
    try:
        document: Any = msgspec.json.decode(request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = document.get("customer_id") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None
