"""Golden rows: JSON requests about made-up customers, and the answers of the install that trained the model.

A row's request is the JSON body of `POST /ai/v1/risk`. Serving answers it as any other request; golden_answers answers
it without serving, with the encoder and the kernel that serving uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from llvmlite import binding  # type: ignore[import-untyped]  # it ships no types

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.files import parse_json

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 1e-9
_WORDED = ("text", "investigator_text")  # texts have rounded numbers: a last bit may change a digit on another CPU
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = ("created_at", "completed_at")


def cpu_family() -> str:
    """Return LLVM's name of this machine's CPU family; code rounds alike on all CPUs of a family."""
    return str(binding.get_host_cpu_name())


class GoldenRow(TypedDict):
    """A request in the form of `POST /ai/v1/risk`, and its answer, both as plain JSON values.

    The answer holds probability, segment, action, complete reasons, patterns (None if no patterns can be seen:
    features were given, or the bundle has no action rule), and the features used, None where missing.
    """

    request: dict[str, Any]
    answer: dict[str, Any]


class _RowOfVersion1(TypedDict):
    """A golden row in a bundle of schema version 1; its times are microseconds since 1970."""

    profile: dict[str, Any]
    transactions: list[dict[str, Any]]
    answer: dict[str, Any]


Answerer = Callable[[dict[str, Any]], dict[str, Any]]


def loads_golden(data: bytes) -> list[GoldenRow]:
    """Read golden.json of any schema version; raises BundleError for anything else.

    Answers of schema versions 1 and 2 have no patterns; their patterns are read as None.
    """
    try:
        return [_with_patterns(row) for row in parse_json(data, list[GoldenRow])]
    except msgspec.DecodeError as error:
        try:
            rows = parse_json(data, list[_RowOfVersion1])
        except msgspec.DecodeError:
            raise BundleError(
                f"golden.json has no readable golden rows: {error}.",
                remedy="Make the bundle again with `customer-risk train`.",
            ) from error
    return [_with_patterns(_converted(row, number)) for number, row in enumerate(rows)]


def _with_patterns(row: GoldenRow) -> GoldenRow:
    return GoldenRow(request=row["request"], answer={"patterns": None} | row["answer"])


def _converted(row: _RowOfVersion1, number: int) -> GoldenRow:
    """Return a row of version 1 as one of version 2, without warnings."""
    answer = {name: value for name, value in row["answer"].items() if name != "warnings"}
    return GoldenRow(request=golden_request(number, row["profile"], row["transactions"]), answer=answer)


def check_golden(answer: Answerer, rows: Sequence[GoldenRow], *, made_on: str, where: Path | str) -> None:
    """Answer the golden requests again with `answer` and compare.

    If they were `made_on` this CPU family, all must be equal; otherwise, numbers may differ by 1e-9 (absolutely, or
    relatively where they are greater than 1), and the texts of their reasons. Raises GoldenMismatch with the first
    difference, or if there is no row to compare.
    """
    if not rows:
        raise GoldenMismatch(
            f"{where} has no golden row to compare.", remedy="Make the bundle again with `customer-risk train`."
        )
    here = cpu_family()
    tolerance = 0.0 if made_on == here else TOLERANCE
    for number, row in enumerate(rows):
        difference = _difference(row["answer"], answer(row["request"]), tolerance, "answer")
        if difference:
            raise GoldenMismatch(
                f"{where}: row {number}, made on {made_on}, is answered differently here ({here}): {difference}.",
                remedy="Install the library versions that the manifest names, or make the bundle again here.",
            )


def _difference(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    """Return the first place where two JSON values differ, None if they don't."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        pairs = [
            (f"{path}.{key}", expected[key], found[key]) for key in expected if tolerance == 0 or key not in _WORDED
        ]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(expected, found, strict=True))]
    elif _number(expected) and _number(found) and tolerance:
        same = math.isclose(expected, found, rel_tol=tolerance, abs_tol=tolerance)
        return None if same else f"{path} is {found!r}, not {expected!r}"
    else:
        return None if expected == found else f"{path} is {found!r}, not {expected!r}"
    return next((d for d in (_difference(a, b, tolerance, at) for at, a, b in pairs) if d), None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def golden_request(
    number: int, profile: Mapping[str, object], transactions: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    """Return the JSON request about the customer `number`, with the transactions as rows."""
    return {
        "customer_id": f"golden-{number}",
        "profile": {name: _day(value) for name, value in profile.items()},
        "transactions": [
            {name: _timestamp(value) if name in TIMES else value for name, value in row.items()} for row in transactions
        ],
        "history_complete": True,
    }


def _day(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _timestamp(value: object) -> str | None:
    """Return a time in RFC 3339, with its microseconds."""
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else _EPOCH + timedelta(microseconds=int(str(value)))
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
