"""Golden rows: synthetic customers with the answers that the bundle gave where it was made."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from llvmlite import binding  # type: ignore[import-untyped]  # it ships no types

from customer_risk.model.errors import BundleError, GoldenMismatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from customer_risk.model.scoring.scorer import Scorer

TOLERANCE = 1e-9
_WORDED = ("text", "investigator_text")  # words hold rounded numbers: a last bit may turn a digit on another CPU


def cpu_family() -> str:
    """Name the family of this machine's CPU as LLVM knows it: code compiled for one family rounds alike."""
    return str(binding.get_host_cpu_name())


class GoldenRow(TypedDict):
    """A request and its answer, as plain JSON values."""

    profile: dict[str, Any]
    transactions: list[dict[str, Any]]
    answer: dict[str, Any]


def loads_golden(data: bytes) -> list[GoldenRow]:
    """Read golden.json; raises BundleError where it holds something else."""
    try:
        return msgspec.json.decode(data, type=list[GoldenRow])
    except msgspec.DecodeError as error:
        raise BundleError(
            f"golden.json holds no golden rows: {error}.", remedy="Make the bundle anew with `customer-risk train`."
        ) from error


def golden_rows(
    scorer: Scorer, requests: Iterable[tuple[Mapping[str, object], Sequence[Mapping[str, object]]]]
) -> list[GoldenRow]:
    """Answer synthetic requests (pairs of profile and transactions) and keep both; times become microseconds."""
    rows: list[GoldenRow] = []
    for profile, transactions in requests:
        row = GoldenRow(profile=_plain(profile), transactions=[_plain(one) for one in transactions], answer={})
        rows.append(row | {"answer": answer(scorer, row)})
    return rows


def answer(scorer: Scorer, row: GoldenRow) -> dict[str, Any]:
    """Answer one golden row, as plain JSON values."""
    written = msgspec.json.encode(scorer.decide(row["profile"], row["transactions"]))
    return msgspec.json.decode(written, type=dict[str, Any])


def check_golden(scorer: Scorer, rows: Sequence[GoldenRow], *, made_on: str, where: Path | str) -> None:
    """Answer the golden rows again and compare.

    On the CPU family that they were made on, all must be equal; on another, numbers may differ by 1e-9 (absolutely, or
    relatively where they are greater than 1), and their wording with them. Raises GoldenMismatch with the first
    difference, or where there is no row to compare.
    """
    if not rows:
        raise GoldenMismatch(f"{where} holds no row to compare.", remedy="Make the bundle anew with golden rows.")
    here = cpu_family()
    tolerance = 0.0 if made_on == here else TOLERANCE
    for number, row in enumerate(rows):
        difference = _difference(row["answer"], answer(scorer, row), tolerance, "answer")
        if difference:
            raise GoldenMismatch(
                f"{where}: row {number}, made on {made_on}, is answered differently here ({here}): {difference}.",
                remedy="Install the library versions that the manifest names, or make the bundle anew here.",
            )


def _difference(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    """Name the first place where two JSON values differ, None where there is none."""
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


def _plain(row: Mapping[str, object]) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in row.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return value.isoformat() if isinstance(value, date) else value
