"""Examples of requests, answers and refusals: shown in the documentation, sent and compared in the tests."""

from __future__ import annotations

import json
from typing import Any, Final

from model.errors import BadField, CustomerRiskError, InputError
from model.features.catalogue import NAMES
from serving.errors import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    Later,
    MalformedBody,
    NotFound,
    NotReady,
    NotServed,
    Overloaded,
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
    "reasons": [
        {"code": "PASS_THROUGH_24H", "text": "How money moves through your account.", "direction": "raises"},
    ],
    "source": "model",
    "model": {"name": "customer-risk", "version": "9b74c9897bac770ffc029102a200c5de" * 2},
    "warnings": [],
}
EXPLAINED: Final[dict[str, Any]] = ANSWER | {
    "reasons": [
        ANSWER["reasons"][0]
        | {
            "feature": "pass_through_24h",
            "value": 0.97,
            "unit": "share",
            "contribution": 0.91,
            "share": 0.31,
            "investigator_text": "97.0% of the money that came in left within a day",
        }
    ],
}
BY_RULES: Final[dict[str, Any]] = ANSWER | {
    "probability": None,
    "segment": "medium",
    "action": "review",
    "reasons": [{"code": "RULE_LARGE_AMOUNT", "text": "The size of your payments.", "direction": "raises"}],
    "source": "rules",
    "model": {"name": "default-rules", "version": "f3ad1c1deb8a4cf6a5a8be6a1e2f7f0c" * 2},
    "warnings": [{"code": "RULES_ANSWERED", "pointer": "", "detail": "The model can't answer; declared rules did."}],
}
ANSWERS: Final = {"score": ANSWER, "explain": EXPLAINED, "rules": BY_RULES}

# One of each error, told as the server tells it.
REFUSALS: Final[tuple[CustomerRiskError, ...]] = (
    MalformedBody("The body isn't JSON: unexpected end.", remedy="Send one JSON object in UTF-8."),
    Unauthenticated("The token has expired.", remedy="Get a new one."),
    Forbidden("This needs the scope score.", remedy="Ask the service's owners for it."),
    NotFound("There is no such job.", remedy="GET /ai/v1/risk/jobs lists yours."),
    UnknownModel("No model of this name is served.", remedy="GET /v1/models lists them."),
    WrongMethod("GET isn't answered here.", remedy="POST a JSON object."),
    Conflict("The idempotency key was sent with another body.", remedy="Use a new key for a new request."),
    BodyTooLarge("The body has more than 8,388,608 bytes.", remedy="Send fewer transactions at a time."),
    WrongMediaType("The body is declared as text/plain.", remedy="Send it with Content-Type: application/json."),
    InputError(
        (
            BadField("/customer_id", "expected a string of 1 to 128 characters; got an empty string"),
            BadField("/transactions", "is required"),
        )
    ),
    TooManyRequests("This caller's share is used up.", remedy="Come back later.", retry_after=2),
    NotServed("There is no separate explanation.", remedy="Use :predict, whose answers carry their reasons."),
    Overloaded("More is asked than can be answered in time.", remedy="Come back later."),
    NotReady("No bundle is verified yet.", remedy="Try again shortly; /v2/health/ready says when."),
    Later("The store can't be reached.", remedy="Try again shortly."),
)
REFUSED_ITEM: Final[dict[str, Any]] = {
    "status": 422,
    "problem": {
        "type": "urn:problem-type:customer-risk:bad-fields",
        "title": "Some fields can't be used",
        "status": 422,
        "detail": "2 to correct, each named in errors.",
        "errors": [
            {
                "pointer": "/requests/1/customer_id",
                "detail": "expected a string of 1 to 128 characters; got an empty string",
            },
            {"pointer": "/requests/1/transactions", "detail": "is required"},
        ],
    },
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
