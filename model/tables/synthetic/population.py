"""The customers: their profiles and their hidden habits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from customer_risk.model.features.vocabulary import OCCUPATIONS, REASONS
from customer_risk.model.tables.synthetic.identifiers import customer_ids, uuids

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HOUR: Final = 3_600_000_000  # microseconds
DAY: Final = 24 * HOUR
START: Final = int(np.datetime64("2024-07-01", "us").astype(np.int64))
DAYS: Final = 80  # of all events
LATE_DAYS: Final = 12  # late customers join in the last of these days

# residence: share of customers, phone code as the tables cut it, hours east of UTC in summer
RESIDENCES: Final = {
    "FR": (0.74, "+33", 2),
    "PF": (0.15, "+68", -10),
    "NC": (0.06, "+68", 11),
    "YT": (0.02, "+26", 3),
    "RE": (0.01, "+26", 4),
    "GP": (0.01, "+59", -4),
    "MQ": (0.005, "+59", -4),
    "GF": (0.005, "+59", -3),
}
_FOREIGN_PHONES: Final = ("+44", "+34", "+35", "+39", "+59", "+68", "+26", "+49")
_FOREIGN_LOCALES: Final = ("en_GB", "fr_US", "en_US", "fr_BE", "pt_BR", "en_ES", "fr_CA", "fr_MA", "en_001")
_DOCUMENTS: Final = ("FR", "IT", "PT", "ES", "PL", "DE")

# The habits that the hidden risk changes. Each risky customer shows some of them.
HABITS: Final = ("amount", "night", "burst", "pass_through", "failure", "crypto", "mismatch", "active")


@dataclass(frozen=True, slots=True)
class Population:
    """`n` customers.

    profiles   one row per customer, in the columns of raw tables (user_id, session_id, ...), without the label
    suspended  bool[n]
    habits     float64[n] in [0, 1] for each name of HABITS
    offset     int64[n]  time zone of the residence, in microseconds east of UTC
    joined     int64[n]  microseconds since 1970; no transaction is earlier
    leaves     int64[n]  end of the data or time of the suspension; no transaction is later
    late       bool[n]   whether the customer joined in the last days
    """

    profiles: pl.DataFrame
    suspended: Flags
    habits: dict[str, Floats]
    offset: NDArray[np.int64]
    joined: NDArray[np.int64]
    leaves: NDArray[np.int64]
    late: Flags


def populate(random: np.random.Generator, *, labelled: int, unlabelled: int, risk_rate: float) -> Population:
    """Make `labelled`, then `unlabelled` customers; `risk_rate` is the suspended share of both (at least one each)."""
    n = labelled + unlabelled
    names = tuple(RESIDENCES)
    shares = np.array([RESIDENCES[name][0] for name in names])
    residence = random.choice(len(names), size=n, p=shares / shares.sum())
    late = (residence > 0) & (random.random(n) < 0.6) | (residence == 0) & (random.random(n) < 0.06)

    inclination = random.standard_normal(n)
    # Customers who joined late haven't been detected yet: most of them look safe because their accounts are young.
    judged = inclination + 0.3 * random.standard_normal(n) - 1.5 * late
    suspended = np.zeros(n, dtype=bool)
    for cohort in (slice(0, labelled), slice(labelled, n)):
        scores = judged[cohort]
        wanted = max(1, round(risk_rate * len(scores))) if len(scores) else 0
        suspended[cohort][np.argsort(-scores, kind="stable")[:wanted]] = True

    # The intensity depends on the distance to the line between suspended and others, so that at each risk rate some
    # customers have strong habits.
    line = np.quantile(inclination, 1 - risk_rate)
    intensity = 1 / (1 + np.exp(-3.0 * (inclination - line)))
    habits = {
        habit: np.clip(
            intensity * random.uniform(0.2, 1.6, n) * (random.random(n) < 0.8) + 0.1 * random.random(n), 0, 1
        )
        for habit in HABITS
    }

    joined = START + (random.random(n) * np.where(suspended, 0.6, 0.92) * DAYS * DAY).astype(np.int64)
    joined = np.where(late, START + ((DAYS - LATE_DAYS * random.uniform(0.02, 1, n)) * DAY).astype(np.int64), joined)
    end = START + DAYS * DAY
    stays = (DAY * (0.5 + random.exponential(13, n))).astype(np.int64)
    leaves = np.where(suspended, np.minimum(joined + stays, end - 2 * DAY), end)
    leaves = np.maximum(leaves, joined + HOUR)
    offset = HOUR * np.array([RESIDENCES[name][2] for name in names])[residence]
    profiles = _profiles(random, residence=residence, habits=habits, intensity=intensity)
    return Population(profiles, suspended, habits, offset, joined, leaves, late)


def _profiles(
    random: np.random.Generator, *, residence: NDArray[np.int64], habits: dict[str, Floats], intensity: Floats
) -> pl.DataFrame:
    n = len(residence)

    def pick(values: tuple[str | None, ...], weights: list[float] | None = None) -> pl.Series:
        chances = None if weights is None else np.array(weights) / sum(weights)
        return pl.Series(values, dtype=pl.String)[random.choice(len(values), size=n, p=chances)]

    def sometimes(chance: Floats | float, then: pl.Series, otherwise: pl.Series) -> pl.Series:
        return then.zip_with(pl.Series(random.random(n) < chance), otherwise)

    country = pl.Series(tuple(RESIDENCES), dtype=pl.String)[residence]
    phone = pl.Series([code for _, code, _ in RESIDENCES.values()])[residence]
    nothing = pl.repeat(None, n, dtype=pl.String, eager=True)
    daily = pick(REASONS, [0.55, 0.12, 0.08, 0.13, 0.12])
    crypto = pick(("CRYPTO_SERVICES", "NON_CUSTODIAL_CRYPTO_WALLET"), [0.6, 0.4])
    reason = sometimes(0.15 + 0.3 * habits["crypto"], crypto, daily)
    locale = sometimes(0.25, pick(("fr_FR",)), "fr_" + country)
    year = np.clip(1996 - random.exponential(14, n) + 10 * random.random(n), 1940, 2006).astype(np.int64)
    return pl.DataFrame(
        {
            "user_id": customer_ids(random, n),
            "session_id": uuids(random, n),
            "country_of_residence": country,
            "has_biometrics": random.random(n) < 0.72 - 0.2 * intensity,
            "phone_number_country_code": sometimes(0.03 + 0.25 * habits["mismatch"], pick(_FOREIGN_PHONES), phone),
            "reason_to_use_app": sometimes(0.06, nothing, reason),
            "occupation": sometimes(0.06, nothing, pick(OCCUPATIONS, [0.5 + weight % 5 for weight in range(17)])),
            "kyc_state": pick(("COMPLETED", "FAILED", "PENDING"), [0.99, 0.007, 0.003]),
            "gender": pick(("M", "F", None), [0.68, 0.315, 0.005]),
            "date_of_birth": _new_years(year),
            "document_issuing_country": pick(_DOCUMENTS, [0.95, 0.02, 0.01, 0.01, 0.005, 0.005]),
            "locale": sometimes(0.08 + 0.1 * habits["mismatch"], pick(_FOREIGN_LOCALES), locale),
            "screening_state": sometimes(0.03 + 0.06 * intensity, pick(("TO_SOFT_REVIEW",)), pick(("COMPLETED",))),
            "is_adverse_media_minor": np.zeros(n, dtype=bool),
            "is_pep": np.zeros(n, dtype=bool),
        }
    )


def _new_years(years: NDArray[np.int64]) -> pl.Series:
    return pl.Series((years - 1970).astype("datetime64[Y]").astype("datetime64[D]")).cast(pl.Date)
