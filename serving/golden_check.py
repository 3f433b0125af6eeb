"""Sends a bundle's golden requests to a running server, and compares the answers."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.files import read_file
from customer_risk.model.scoring.golden import TOLERANCE, GoldenRow, loads_golden
from customer_risk.serving.backoff import Backoff
from customer_risk.serving.contract.answer import ModelName, Source, WireReason

_ATTEMPTS: Final = 5
_LATER: Final = frozenset({429, 502, 503})


class NoGoldenAnswer(Exception):
    """A server that doesn't respond, or responds with something other than an answer."""


class GoldenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an answer that are compared."""

    probability: float | None
    segment: str
    action: str
    reasons: tuple[WireReason, ...]
    source: Source
    model: ModelName


def difference(row: GoldenRow, answer: GoldenAnswer) -> str | None:
    """Return how an answer differs from the golden one in the fields that every caller sees, None if it doesn't.

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
        (
            "reasons",
            [(each.code, each.direction) for each in answer.reasons],
            [(each["code"], each["direction"]) for each in golden["reasons"]],
        ),
    ):
        if found != expected:
            return f"the {name} is {found!r}, not {expected!r}"
    return None


def check(http: httpx2.Client, bundle: Path) -> int:
    """Send every golden request of `bundle` with `http`; return their number.

    Raises GoldenMismatch at the first answer that differs, BundleError for a folder without a readable bundle, and
    NoGoldenAnswer if the server doesn't answer.
    """
    try:
        version = hashlib.sha256(read_file(bundle / "manifest.json")).hexdigest()
        rows = loads_golden(read_file(bundle / "golden.json"))
    except OSError as error:
        raise BundleError(f"{bundle} isn't a readable bundle: {error}.", remedy="Name a bundle's folder.") from error
    if not rows:
        raise BundleError(f"{bundle} has no golden row.", remedy="Make the bundle again.")
    for number, row in enumerate(rows):
        answer = _ask(http, row["request"])
        found = difference(row, answer)
        if answer.model.version != version:
            found = f"bundle {answer.model.version} answers, not {version}"
        if found:
            raise GoldenMismatch(
                f"The answer to golden request {number} differs: {found}.",
                remedy="Check what the server runs: its image, its bundle, its log.",
            )
    return len(rows)


def _ask(http: httpx2.Client, request: dict[str, Any]) -> GoldenAnswer:
    headers = {"idempotency-key": str(uuid.uuid4())}  # a repeated request must not make a second decision
    backoff = Backoff(0.1, 2, jitter=True)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            response = http.post("/ai/v1/risk", json=request, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            temporary = isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol)
            if attempt == _ATTEMPTS or not temporary:
                raise NoGoldenAnswer(f"No answer from {http.base_url}: {error!r}.") from error
        else:
            if attempt == _ATTEMPTS or response.status_code not in _LATER:
                return _read(response)
        time.sleep(backoff.next())
    raise AssertionError("the last attempt returns or raises")


def _read(response: httpx2.Response) -> GoldenAnswer:
    if response.status_code != httpx2.codes.OK:
        raise NoGoldenAnswer(f"The server responded with status {response.status_code}: {response.text[:1000]}")
    try:
        return msgspec.json.decode(response.content, type=GoldenAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoGoldenAnswer(f"The response isn't an answer of this service: {error}.") from error
