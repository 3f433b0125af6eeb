"""A valid request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def sound_request(days: Iterable[int] = range(1, 6)) -> dict[str, Any]:
    """Return a request that is answered without a warning, with a transaction on each of some days of August (0-9)."""
    return {
        "customer_id": "c-1",
        "profile": {
            "reason_to_use_app": "TRAVEL_ACCOUNT",
            "occupation": "STUDENTS",
            "kyc_state": "COMPLETED",
            "screening_state": "COMPLETED",
            "has_biometrics": True,
            "is_pep": False,
            "is_adverse_media_minor": None,
            "country_of_residence": "FR",
            "phone_number_country_code": "+33",
            "document_issuing_country": "FR",
            "locale": "fr-FR",
            "date_of_birth": "1990-01-31",
            "gender": "F",
        },
        "transactions": [
            {
                "id": f"t-{i}",
                "state": "COMPLETED",
                "type": "CARDS" if i % 3 else "BANK_TRANSFER",
                "amount": 12.5 + i,
                "currency": "EUR",
                "direction": "OUT" if i % 3 else "IN",
                "created_at": f"2024-08-2{i}T10:33:50.629801Z",
                "completed_at": None if i == 4 else f"2024-08-2{i} 10:34:00.1 UTC",
            }
            for i in days
        ],
        "history_complete": True,
    }
