"""Types of the service's responses. Fields that a newer service adds are ignored."""

from __future__ import annotations

from typing import Literal

import msgspec


class BadField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the request that the service can't use; `pointer` is a JSON pointer, empty for the whole request."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal (RFC 9457): `title` names its kind, `detail` says what to do, `errors` names every bad field."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[BadField, ...] = ()


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A reason for the decision.

    The fields from `feature` on are None if the token lacks the scope `explain`. `value` is also None if the feature is
    missing, and `contribution` and `share` if rules answered.
    """

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
    """The model or the rule set that answered; `version` is a SHA-256."""

    name: str
    version: str


class RequestWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A possible mistake in an accepted request; `pointer` is a JSON pointer to its place."""

    code: str
    pointer: str
    detail: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about a customer; `probability` is None if rules answered instead of the model.

    `patterns` is None if no pattern can be seen: the request gave features, rules answered, or the bundle or the
    service is older than patterns.
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
    warnings: tuple[RequestWarning, ...]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one request of a batch or a job: an answer if `status` is 200, otherwise a problem.

    `customer_id` is the customer of a refused request, None if it couldn't be read.
    """

    status: int
    answer: Answer | None = None
    problem: Problem | None = None
    customer_id: str | None = None


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of a batch."""

    items: tuple[Item, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a job; unknown values are None.

    `rate` is in customers a second, times are RFC 3339. `problem` says why the job failed, `results` is the path of
    its results. `ignored` are columns of the file that aren't read.
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
        """Whether the job has ended."""
        return self.state in {"done", "failed", "cancelled"}
