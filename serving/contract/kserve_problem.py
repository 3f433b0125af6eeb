"""Refusals in KServe's protocols: the problem document, with the member `error` that clients read.

Triton's client reads `error` only. KServe's client reads a body only if its Content-Type is exactly application/json.
"""

from __future__ import annotations

from typing import Final

import msgspec

from customer_risk.serving.contract.problem import Problem

_MOST_FIELDS: Final = 5  # named in `error`; `errors` names all


class KserveProblem(Problem, frozen=True, kw_only=True):
    """The document of a refusal in KServe's protocols; `errors` names every bad field, and `error` the first five."""

    error: str


def is_of_kserve(path: str) -> bool:
    """Return whether a path belongs to KServe's protocols V1 or V2; the path need not exist."""
    return path.startswith(("/v1/", "/v2/")) or path in {"/v1", "/v2"}


def with_error(problem: Problem) -> KserveProblem:
    """Return the document of a refusal with the member `error`."""
    return KserveProblem(**msgspec.structs.asdict(problem), error=_text_of(problem))


def _text_of(problem: Problem) -> str:
    if not problem.errors:
        return problem.detail
    named = [f"{each.pointer or 'the body'}: {each.detail}" for each in problem.errors[:_MOST_FIELDS]]
    if more := len(problem.errors) - len(named):
        named.append(f"and {more} more")
    return f"{problem.title}: {'; '.join(named)}"
