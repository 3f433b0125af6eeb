"""The categories that tables and requests use, and the codes that the kernel takes for them.

In a profile, code 0 is a missing value and 1 (`OTHER`) an unknown category. In an event, `OTHER` is the
last code. Codes are part of a bundle's meaning: append, never reorder.
"""

from __future__ import annotations

from typing import Final

# A transaction's states in order: the greatest state of its rows is the final one.
STATES: Final = ("PENDING", "COMPLETED", "CANCELLED", "FAILED", "DECLINED", "REVERSED")
TYPES: Final = (
    "CARDS",
    "BANK_TRANSFER",
    "CARD_TOP_UP",
    "CRYPTO_ON_RAMP",
    "CRYPTO_OFF_RAMP",
    "PROCESSING_FEE",
    "PAYMENTS",
    "USER_REWARD",
    "MANUAL",
)
DIRECTIONS: Final = ("IN", "OUT")

REASONS: Final = (
    "DAILY_PAYMENT_SERVICES",
    "CRYPTO_SERVICES",
    "NON_CUSTODIAL_CRYPTO_WALLET",
    "INTERNATIONAL_TRANSFERS",
    "TRAVEL_ACCOUNT",
)
OCCUPATIONS: Final = (
    "ADMINISTRATION",
    "AGRICULTURE_FISHERY_FORESTRY",
    "CRAFT_AND_RELATED_TRADES",
    "EDUCATION",
    "FOOD_PREP_AND_CLEANING",
    "HEALTH",
    "IT_AND_COMMUNICATION",
    "LEGAL_SOCIAL_AND_CULTURAL_ACTIVITIES",
    "MANAGEMENT",
    "MINING_CONSTRUCTION_AND_TRANSPORT",
    "OTHER_SERVICES",
    "PLANT_AND_MACHINE_OPERATION",
    "RETIRED",
    "SCIENCE_AND_ENGINEERING",
    "SERVICE_AND_SALES",
    "STUDENTS",
    "UNEMPLOYED",
)
KYC_STATES: Final = ("COMPLETED", "PENDING", "FAILED")
SCREENING_STATES: Final = ("COMPLETED", "TO_SOFT_REVIEW", "TO_HARD_REVIEW")

MISSING: Final = 0
OTHER: Final = 1
FIRST: Final = 2  # the code of a profile vocabulary's first category

# Columns of `Encoded.profile`. Flags are -1 if missing, else 0 or 1.
PROFILE: Final = (
    "utc_offset",  # minutes east of UTC of the residence's standard time; UNKNOWN_OFFSET if missing
    "reason_to_use_app",
    "occupation",
    "kyc_state",
    "screening_state",
    "has_biometrics",
    "is_pep",
    "is_adverse_media_minor",
    "phone_mismatch",  # flag: the phone's prefix belongs to no territory of the residence's country
    "document_mismatch",  # flag: the document's country is not the residence's (a territory has its country's)
    "overseas",  # flag: the residence is an overseas territory (PF, NC, YT, RE, GP, MQ, GF...)
    "foreign_locale",  # flag: the locale's territory is not the residence's country
    "birth_day",  # days since 1970; UNKNOWN_DAY if missing
)
UNKNOWN_OFFSET: Final = -32_768
UNKNOWN_DAY: Final = -(2**31)
