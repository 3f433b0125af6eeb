"""Examples of requests, answers and refusals: shown in the documentation, sent and compared in the tests."""

from __future__ import annotations

import json
from typing import Any, Final

from customer_risk.model.errors import BadField, CustomerRiskError, InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.errors import (
    BodyTooLarge,
    Conflict,
    EncodedBody,
    Forbidden,
    HeadTooLarge,
    MalformedBody,
    NotFound,
    NotReady,
    NotServed,
    Overloaded,
    RecordUnavailable,
    RequestTooSlow,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnknownModel,
    WrongMediaType,
    WrongMethod,
)

_PROFILE: Final = {
    "reason_to_use_app": "TRAVEL_ACCOUNT",
    "occupation": "STUDENTS",
    "kyc_state": "COMPLETED",
    "screening_state": "COMPLETED",
    "has_biometrics": True,
    "is_pep": False,
    "is_adverse_media_minor": None,
    "date_of_birth": "1990-01-31",
}
_ROWS: Final[list[dict[str, Any]]] = [
    {
        "id": "t-1",
        "state": "COMPLETED",
        "type": "BANK_TRANSFER",
        "amount": 900,
        "currency": "EUR",
        "direction": "IN",
        "created_at": "2024-08-26T09:12:04Z",
        "completed_at": "2024-08-26 09:13:00.25 UTC",
    },
    {
        "id": "t-2",
        "state": "DECLINED",
        "type": "CARDS",
        "amount": 12.5,
        "currency": "EUR",
        "direction": "OUT",
        "created_at": "2024-08-26T12:33:50.629801+02:00",
        "completed_at": None,
    },
]
RAW: Final[dict[str, Any]] = {
    "customer_id": "c-1",
    "profile": _PROFILE,
    "transactions": _ROWS,
    "history_complete": True,
}
COLUMNS: Final[dict[str, Any]] = {
    "customer_id": "c-1",
    "profile": _PROFILE,
    "transactions": {name: [row[name] for row in _ROWS] for name in _ROWS[0]},
}
FEATURES: Final[dict[str, Any]] = {"customer_id": "c-1", "features": dict.fromkeys(NAMES)}
_BAD_ID: Final = 'expected a string of 1 to 128 characters other than "erased"; got an empty string'
BAD: Final[dict[str, Any]] = {"customer_id": "", "profile": _PROFILE}
REQUESTS: Final = {"raw": RAW, "columns": COLUMNS, "features": FEATURES}

_IDENTITY: Final = {
    "decision_id": "01a3185c-50fa-7595-bb9a-4bbaa034acbb",
    "customer_id": "c-1",
    "decided_at": "2027-01-15T08:00:00.250000Z",
}
ANSWER: Final[dict[str, Any]] = _IDENTITY | {
    "probability": 0.83,
    "segment": "high",
    "action": "propose_off_boarding",
    "reasons": [{"code": "PASS_24H_SHARE", "text": "How money moves through your account.", "direction": "raises"}],
    "patterns": [{"code": "PASS_THROUGH"}],
    "source": "model",
    "model": {"name": "customer-risk", "version": "9b74c9897bac770ffc029102a200c5de" * 2},
    "warnings": [],
}
EXPLAINED: Final[dict[str, Any]] = ANSWER | {
    "reasons": [
        ANSWER["reasons"][0]
        | {
            "feature": "pass_24h_share",
            "value": 0.97,
            "unit": "share",
            "contribution": 0.91,
            "share": 0.31,
            "investigator_text": "97% of the money that came in left again within 24 hours",
        }
    ],
    "patterns": [
        ANSWER["patterns"][0]
        | {
            "count": 6,
            "amount": 4850.0,
            "share": 0.97,
            "first_at": "2026-11-02T08:15:00Z",
            "last_at": "2026-11-05T17:40:12.500000Z",
            "investigator_text": "EUR 4,850.00 that came in left again within 24 hours by transfer, payment or crypto "
            "purchase: 97% of all money in.",
        }
    ],
}
BY_RULES: Final[dict[str, Any]] = ANSWER | {
    "probability": None,
    "segment": "medium",
    "action": "review",
    "reasons": [{"code": "RULE_LARGE_AMOUNT", "text": "The size of your payments.", "direction": "raises"}],
    "patterns": None,
    "source": "rules",
    "model": {"name": "default-rules", "version": "f3ad1c1deb8a4cf6a5a8be6a1e2f7f0c" * 2},
    "warnings": [{"code": "RULES_ANSWERED", "pointer": "", "detail": "The model can't answer; declared rules did."}],
}
ANSWERS: Final = {"score": ANSWER, "explain": EXPLAINED, "rules": BY_RULES}

# One of each error, with a message of the server.
REFUSALS: Final[tuple[CustomerRiskError, ...]] = (
    MalformedBody("The body isn't JSON: unexpected end.", remedy="Send one JSON object in UTF-8."),
    Unauthenticated("The token has expired.", remedy="Get a new one."),
    Forbidden("This needs the scope score.", remedy="Ask the service's owners for it."),
    NotFound("The job doesn't exist, or it has expired.", remedy="GET /ai/v1/risk/jobs lists your jobs."),
    UnknownModel("No model of this name is served.", remedy="GET /v1/models lists them."),
    WrongMethod("GET isn't allowed here.", remedy="POST a JSON object."),
    RequestTooSlow("The request arrived too slowly.", remedy="Send the whole request at once."),
    Conflict("The idempotency key was sent with another body.", remedy="Use a new key for a new request."),
    BodyTooLarge("The body has more than 8,388,608 bytes.", remedy="Send fewer transactions at a time."),
    WrongMediaType("The body is declared as text/plain.", remedy="Send it with Content-Type: application/json."),
    EncodedBody(
        "The body has a Content-Encoding; only bodies without one, or with identity, are accepted.",
        remedy="Send it without compression.",
    ),
    InputError((BadField("/customer_id", _BAD_ID), BadField("/transactions", "is required"))),
    TooManyRequests(
        "More than 50 requests a second.", remedy="Send it again after Retry-After seconds.", retry_after=2
    ),
    HeadTooLarge("The header is too large.", remedy="Send fewer header fields."),
    NotServed("Explanations aren't served separately.", remedy="Use :predict, whose answers have reasons."),
    Overloaded("More requests are waiting than can be answered in time.", remedy="Send it again later."),
    NotReady("No bundle is verified yet.", remedy="Try again once /v2/health/ready returns 200."),
    StoreUnavailable(),
    RecordUnavailable("no space left on device"),
)
REFUSED_ITEM: Final[dict[str, Any]] = {
    "status": 422,
    "problem": {
        "type": "urn:problem-type:customer-risk:bad-fields",
        "title": "Some fields can't be used",
        "status": 422,
        "detail": "2 invalid fields, listed in errors.",
        "errors": [
            {"pointer": "/requests/1/customer_id", "detail": _BAD_ID},
            {"pointer": "/requests/1/transactions", "detail": "is required"},
        ],
    },
}
RESULTS: Final = ({"status": 200, "answer": ANSWER}, REFUSED_ITEM)

_JOB_ID: Final = "01a3185c-50fa-7c11-9d0e-3d1f6f6f2a90"
_QUEUED: Final[dict[str, Any]] = {
    "job_id": _JOB_ID,
    "state": "queued",
    "rows": 5000,
    "done": 0,
    "failed": 0,
    "rate": None,
    "seconds_left": None,
    "created_at": "2027-01-15T08:00:00.250000Z",
    "expires_at": "2027-01-16T08:00:00.250000Z",
    "problem": None,
    "results": None,
    "ignored": [],
}
_RUNNING: Final = _QUEUED | {"state": "running", "done": 2000, "failed": 3, "rate": 800.0, "seconds_left": 3.75}
JOBS: Final[dict[str, dict[str, Any]]] = {
    "queued": _QUEUED,
    "running": _RUNNING,
    "done": _RUNNING
    | {
        "state": "done",
        "done": 5000,
        "failed": 7,
        "seconds_left": None,
        "results": f"/ai/v1/risk/jobs/{_JOB_ID}/results",
    },
    "cancelled": _RUNNING | {"state": "cancelled", "seconds_left": None},
    "failed": _QUEUED
    | {
        "state": "failed",
        "rows": None,
        "problem": {
            "type": "urn:problem-type:customer-risk:bad-fields",
            "title": "Some fields can't be used",
            "status": 422,
            "detail": "1 invalid field, listed in errors.",
            "errors": [{"pointer": "", "detail": "expected a header with customer_id, or with request; got 'a', 'b'"}],
        },
    },
}
JOB_LIST: Final[dict[str, Any]] = {
    "jobs": [JOBS["done"], JOBS["running"] | {"job_id": "01a3185c-9f02-7d3a-8c55-0b8a5d1e7c44"}]
}

FORCE: Final[dict[str, Any]] = {"force": True, "why": "the model is under review"}
RELOAD: Final[dict[str, Any]] = {"why": "a new bundle"}
_STATE: Final[dict[str, Any]] = {
    "model": ANSWER["model"],
    "ready": True,
    "draining": False,
    "rules_forced": False,
    "switched_by": None,
    "switched_why": None,
    "switched_at": None,
    "reload": {"result": "taken", "version": ANSWER["model"]["version"], "refusal": None, "at": 1799999000.0},
    "worker": 42,
    "started": 1799998990.5,
}
STATES: Final[dict[str, dict[str, Any]]] = {
    "model": _STATE,
    "rules": _STATE
    | {
        "model": BY_RULES["model"],
        "rules_forced": True,
        "switched_by": "ada",
        "switched_why": FORCE["why"],
        "switched_at": 1800000000.25,
    },
}

COUNTERS: Final[dict[str, Any]] = {
    "start_id": "7c0a6bd0-5aef-4898-a3ce-929d0e0e4736",
    "host": "customer-risk-predictor-5d9c7f6b8-x2x7q",
    "pid": 1,
    "started": "2026-11-30T20:38:43.497053Z",
    "workers": 2,
    "decisions": [
        {"action": "none", "source": "model", "model": ANSWER["model"]["version"], "count": 9120},
        {"action": "review", "source": "model", "model": ANSWER["model"]["version"], "count": 431},
    ],
}

INFERENCE: Final[dict[str, Any]] = {
    "id": "q-1",
    "inputs": [{"name": "request", "shape": [1], "datatype": "BYTES", "data": [json.dumps(RAW)]}],
}
INFERRED: Final[dict[str, Any]] = {
    "model_name": "customer-risk",
    "model_version": ANSWER["model"]["version"],
    "id": "q-1",
    "outputs": [
        {"name": "probability", "shape": [1], "datatype": "FP64", "data": [ANSWER["probability"]]},
        {"name": "segment", "shape": [1], "datatype": "BYTES", "data": [ANSWER["segment"]]},
        {"name": "action", "shape": [1], "datatype": "BYTES", "data": [ANSWER["action"]]},
        {"name": "answer", "shape": [1], "datatype": "BYTES", "data": [json.dumps(ANSWER)]},
    ],
}
