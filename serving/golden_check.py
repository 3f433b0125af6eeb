"""Sends a bundle's golden requests to a running server, and compares the answers."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.files import read_file
from customer_risk.model.scoring.golden import TOLERANCE, GoldenRow, loads_golden
from customer_risk.serving.client import Answer, RiskClient


def difference(row: GoldenRow, answer: Answer) -> str | None:
    """Return where an answer differs from the golden one in what every caller sees, None if it doesn't.

    Probabilities may differ by 1e-9, as on another CPU family.
    """
    golden = row["answer"]
    if answer.source != "model":
        return f"it comes from {answer.source}, not from the model"
    if answer.probability is None or not math.isclose(answer.probability, golden["probability"], abs_tol=TOLERANCE):
        return f"the probability is {answer.probability!r}, not {golden['probability']!r}"
    for name, found, expected in (
        ("segment", answer.segment, golden["segment"]),
        ("action", answer.action, golden["action"]),
        ("reasons", _reasons(answer), [(each["code"], each["direction"]) for each in golden["reasons"]]),
    ):
        if found != expected:
            return f"the {name} is {found!r}, not {expected!r}"
    return None


def check(client: RiskClient, bundle: Path) -> int:
    """Send every golden request of `bundle` with `client`; return their number.

    Raises GoldenMismatch at the first answer that isn't the bundle's, BundleError if there is no readable bundle,
    and the client's errors if there is no answer.
    """
    try:
        version = hashlib.sha256(read_file(bundle / "manifest.json")).hexdigest()
        rows = loads_golden(read_file(bundle / "golden.json"))
    except OSError as error:
        raise BundleError(f"{bundle} holds no readable bundle: {error}.", remedy="Name a bundle's folder.") from error
    if not rows:
        raise BundleError(f"{bundle} holds no golden row.", remedy="Make the bundle anew.")
    for number, row in enumerate(rows):
        answer = client.score(row["request"])
        found = difference(row, answer)
        if answer.model.version != version:
            found = f"bundle {answer.model.version} answers, not {version}"
        if found:
            raise GoldenMismatch(
                f"Golden request {number} is answered differently: {found}.",
                remedy="Look at what the server runs: its image, its bundle, its log.",
            )
    return len(rows)


def _reasons(answer: Answer) -> list[tuple[str, str]]:
    return [(each.code, each.direction) for each in answer.reasons]
