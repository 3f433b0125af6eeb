"""Features of the profile, except the age."""

from __future__ import annotations

import math
from typing import Final

from customer_risk.model.features.catalogue import AT
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.blocks.numbers import yes
from customer_risk.model.features.shapes import Floats, Ints
from customer_risk.model.features.vocabulary import (
    FIRST,
    KYC_STATES,
    MISSING,
    OCCUPATIONS,
    PROFILE,
    REASONS,
    SCREENING_STATES,
)

_BIOMETRICS: Final = PROFILE.index("has_biometrics")
_KYC: Final = PROFILE.index("kyc_state")
_SCREENING: Final = PROFILE.index("screening_state")
_PEP: Final = PROFILE.index("is_pep")
_MEDIA: Final = PROFILE.index("is_adverse_media_minor")
_REASON: Final = PROFILE.index("reason_to_use_app")
_OCCUPATION: Final = PROFILE.index("occupation")
_PHONE: Final = PROFILE.index("phone_mismatch")
_DOCUMENT: Final = PROFILE.index("document_mismatch")
_OVERSEAS: Final = PROFILE.index("overseas")
_LOCALE: Final = PROFILE.index("foreign_locale")
_KYC_DONE: Final = FIRST + KYC_STATES.index("COMPLETED")
_SCREENING_DONE: Final = FIRST + SCREENING_STATES.index("COMPLETED")
_CRYPTO: Final = FIRST + REASONS.index("CRYPTO_SERVICES")
_WALLET: Final = FIRST + REASONS.index("NON_CUSTODIAL_CRYPTO_WALLET")
_ABROAD: Final = FIRST + REASONS.index("INTERNATIONAL_TRANSFERS")
_TRAVEL: Final = FIRST + REASONS.index("TRAVEL_ACCOUNT")
_STUDENT: Final = FIRST + OCCUPATIONS.index("STUDENTS")
_UNEMPLOYED: Final = FIRST + OCCUPATIONS.index("UNEMPLOYED")
_RETIRED: Final = FIRST + OCCUPATIONS.index("RETIRED")


@compiled
def fill_profile(profile: Ints, out: Floats) -> None:
    """Fill the features from the codes of one profile."""
    biometrics, kyc, screening = profile[_BIOMETRICS], profile[_KYC], profile[_SCREENING]
    reason, occupation = profile[_REASON], profile[_OCCUPATION]
    out[AT.no_biometrics] = 1.0 - _flag(biometrics)
    out[AT.kyc_incomplete] = math.nan if kyc == MISSING else yes(kyc != _KYC_DONE)
    out[AT.screening_review] = math.nan if screening == MISSING else yes(screening != _SCREENING_DONE)
    out[AT.politically_exposed] = _flag(profile[_PEP])
    out[AT.adverse_media] = _flag(profile[_MEDIA])
    out[AT.profile_gaps] = (
        yes(biometrics < 0)
        + yes(kyc == MISSING)
        + yes(screening == MISSING)
        + yes(reason == MISSING)
        + yes(occupation == MISSING)
    )
    out[AT.reason_missing] = yes(reason == MISSING)
    out[AT.reason_crypto] = yes(reason in (_CRYPTO, _WALLET))
    out[AT.reason_transfers] = yes(reason == _ABROAD)
    out[AT.reason_travel] = yes(reason == _TRAVEL)
    out[AT.occupation_low_income] = yes(occupation in (_STUDENT, _UNEMPLOYED, _RETIRED))
    out[AT.document_mismatch] = _flag(profile[_DOCUMENT])
    out[AT.overseas] = _flag(profile[_OVERSEAS])
    out[AT.phone_mismatch] = _flag(profile[_PHONE])
    out[AT.foreign_locale] = _flag(profile[_LOCALE])


@compiled
def _flag(value: int) -> float:
    return float(value) if value >= 0 else math.nan


@compiled
def fill_fit(out: Floats) -> None:
    """Fill the features that compare the profile with the money that came in."""
    out[AT.low_income_in] = out[AT.in_sum] if out[AT.occupation_low_income] else 0.0
    if not math.isnan(out[AT.no_biometrics]):
        out[AT.no_biometrics_in] = out[AT.in_sum] if out[AT.no_biometrics] else 0.0
