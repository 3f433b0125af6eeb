"""Loads a bundle for serving, and checks that a service answers its golden requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from customer_risk.model.errors import GoldenMismatch, InputError
from customer_risk.model.scoring.bundle import load_bundle, made_on
from customer_risk.model.scoring.golden import check_golden
from customer_risk.model.scoring.golden_answers import golden_answer
from customer_risk.serving.contract.answer import Ruling
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import MalformedBody

if TYPE_CHECKING:
    from customer_risk.model.scoring.bundle import Bundle


def load_verified(folder: Path) -> Bundle:
    """Load a bundle; a service created for this check answers the golden requests.

    Raises the errors of `load_bundle`, and GoldenMismatch if the service refuses a golden request.
    """
    bundle = load_bundle(folder, verify_golden=False)
    service = Service(bundle.manifest.name)
    service.use(bundle)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        try:
            given = service.answer(msgspec.json.encode(request))
        except (InputError, MalformedBody) as error:
            raise GoldenMismatch(
                f"{folder / 'golden.json'}: the request {request.get('customer_id')} is refused here: {error}",
                remedy="Make the bundle again with this install, or install the version of customer-risk that made it.",
            ) from error
        if isinstance(given.decision, Ruling):
            raise AssertionError("a service without rules answers with its model")  # noqa: TRY004  not a wrong argument
        return golden_answer(given.decision, given.basis.names, given.basis.values)

    check_golden(answer, bundle.golden, made_on=made_on(bundle.manifest), where=folder / "golden.json")
    return bundle
