"""What the service gives, typed, for callers who don't have the server's libraries.

The tests hold these to the server's own types. Fields that a newer server adds are ignored.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from customer_risk.serving.contract.problem import Problem


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason; from `feature` on None where the token lacks the scope `explain` (`value` also where missing)."""

    code: str
    text: str
    direction: Literal["raises", "lowers"]
    feature: str | None = None
    value: float | None = None
    unit: str | None = None
    contribution: float | None = None
    share: float | None = None
    investigator_text: str | None = None


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern in the customer's transactions.

    The fields from `count` on are None if the token lacks the scope `explain`. `share` is also None for patterns
    without a share.
    """

    code: str
    count: int | None = None
    amount: float | None = None
    share: float | None = None
    first_at: str | None = None
    last_at: str | None = None
    investigator_text: str | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What answered."""

    name: str
    version: str


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """What about the request should be known; `pointer` is a JSON pointer into it."""

    code: str
    pointer: str
    detail: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision; `probability` is None if rules answered instead of the model.

    `patterns` is None if no patterns can be seen: the request gave features, rules answered, or the bundle or the
    server is older than patterns.
    """

    decision_id: str
    customer_id: str
    decided_at: str
    probability: float | None
    segment: Literal["low", "medium", "high"]
    action: Literal["none", "review", "propose_off_boarding"]
    reasons: tuple[Reason, ...]
    patterns: tuple[Pattern, ...] | None = None
    source: Literal["model", "rules"]
    model: Model
    warnings: tuple[Warned, ...]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One request's outcome in a batch or a job: an answer where `status` is 200, a problem else.

    `customer_id` is a refused customer's, None where it couldn't be read.
    """

    status: int
    answer: Answer | None = None
    problem: Problem | None = None
    customer_id: str | None = None


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """A batch's outcomes."""

    items: tuple[Item, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands; what isn't known is None.

    `rate` is in customers a second, times are RFC 3339. `problem` says why it failed, `results` where they are.
    `ignored` are columns of the file that aren't read.
    """

    job_id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    rows: int | None
    done: int
    failed: int
    rate: float | None
    seconds_left: float | None
    created_at: str
    expires_at: str
    problem: Problem | None
    results: str | None
    ignored: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in {"done", "failed", "cancelled"}
