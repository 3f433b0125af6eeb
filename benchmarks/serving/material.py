"""The model and requests for all contenders: one booster, its bundle, and requests with known answers."""

from __future__ import annotations

import datetime as dt
import json
import random
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from customer_risk.model.config import load_config
from customer_risk.model.features.catalogue import LOOKBACK_DAYS, MAX_TRANSACTIONS, NAMES, catalogue_hash
from customer_risk.model.features.frame import feature_table
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.features.vocabulary import STATES, TYPES
from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.bundle import Manifest, RiskRate, dumps_resamples, make_scorer, write_bundle
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.model.scoring.golden_answers import encode_request, golden_rows
from customer_risk.model.scoring.model_features import FeatureSettings
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.model.training.export import trees_from_booster

TREES: Final = 200
DEPTH: Final = 4
TRANSACTIONS: Final = 50
CUSTOMERS: Final = 64  # different requests, so that no cache of answers or branches favours a contender

_PROFILE: Final = {
    "reason_to_use_app": "TRAVEL_ACCOUNT",
    "occupation": "STUDENTS",
    "kyc_state": "COMPLETED",
    "screening_state": "COMPLETED",
    "has_biometrics": True,
    "is_pep": False,
    "is_adverse_media_minor": False,
    "country_of_residence": "FR",
    "phone_number_country_code": "+33",
    "document_issuing_country": "FR",
    "locale": "fr-FR",
    "date_of_birth": "1990-01-31",
}


@dataclass(frozen=True)
class Material:
    """A folder with `bundle/` and `model.ubj`, and the customers' requests and expected answers.

    `raw` are requests with 50 transactions, `values` float64[customer, feature] their features by the kernel, and
    `expected` float64[customer] the booster's probabilities.
    """

    folder: Path
    raw: tuple[dict[str, Any], ...]
    values: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def bundle(self) -> Path:
        """The bundle for `customer-risk serve`."""
        return self.folder / "bundle"

    @property
    def model(self) -> Path:
        """The file of the same booster, for contenders that use XGBoost."""
        return self.folder / "model.ubj"

    def names(self) -> tuple[str, ...]:
        """Return the names of the features, in the order of `values` and of the booster."""
        return NAMES

    def raw_bodies(self) -> list[bytes]:
        """Return a request with transactions for each customer, about 11 KB of JSON."""
        return [_dumps(one) for one in self.raw]

    def given_bodies(self) -> list[bytes]:
        """Return a request with features by name for each customer."""
        return [
            _dumps({"customer_id": one["customer_id"], "features": dict(zip(NAMES, row, strict=True))})
            for one, row in zip(self.raw, self._rows(), strict=True)
        ]

    def instance_bodies(self) -> list[bytes]:
        """Return a KServe V1 request with one instance, features by position, for each customer."""
        return [_dumps({"instances": [row]}) for row in self._rows()]

    def tensor_bodies(self) -> list[bytes]:
        """Return a V2 request with one tensor for each customer; missing values are null, since JSON has no NaN."""
        shape = [1, len(NAMES)]
        tensors = [{"name": "input-0", "shape": shape, "datatype": "FP64", "data": row} for row in self._rows()]
        return [_dumps({"inputs": [tensor]}) for tensor in tensors]

    def _rows(self) -> list[list[float | None]]:
        return [[None if np.isnan(value) else float(value) for value in row] for row in self.values]


def make_material(folder: Path, *, trees: int = TREES, customers: int = 1000, seed: int = 7) -> Material:
    """Train the booster on all features of synthetic tables, write its bundle, and return the material.

    Equal seeds give equal material. Nothing is tuned: only the size matters, `trees` of depth 4 over every feature.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tables:
        synthesize(Path(tables), customers=customers, seed=seed, risk_rate=0.15)
        cohort = load_cohort(Path(tables), "labelled")
    learned = feature_table(cohort.customers, cohort.events).values
    labels = cohort.customers["suspended"].to_numpy().astype(float)
    parameters = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.05, "nthread": 1, "seed": seed}
    # Allow leaves of any weight, so that every tree reaches its depth, as with a large sample.
    parameters |= {"subsample": 0.8, "min_child_weight": 0}
    matrix = xgboost.DMatrix(learned, labels, feature_names=list(NAMES))
    booster = xgboost.train(parameters, matrix, num_boost_round=trees)
    booster.save_model(folder / "model.ubj")
    _write(folder / "bundle", booster, float(labels.mean()), seed)
    chance = random.Random(seed)  # noqa: S311  made-up customers
    made = [_customer(chance, number) for number in range(CUSTOMERS)]
    values = np.vstack([kernel.compute(encode_request(request)) for request in made])
    expected = booster.predict(xgboost.DMatrix(values, feature_names=list(NAMES)))
    return Material(folder, tuple(made), values, expected.astype(np.float64))


def _dumps(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _write(folder: Path, booster: xgboost.Booster, rate: float, seed: int) -> None:
    trees = trees_from_booster(booster)
    manifest = Manifest(
        name="customer-risk",
        features=NAMES,
        catalogue_hash=catalogue_hash(),
        settings=FeatureSettings(
            lookback_days=LOOKBACK_DAYS, max_transactions=MAX_TRANSACTIONS, excluded_types=("MANUAL",)
        ),
        thresholds=Thresholds(0.15, 0.4),
        calibration=Calibration(),  # no calibration: the answers are the booster's own, and comparable
        risk_rate=RiskRate(sample=rate, portfolio=None),
        metrics={},
        explain_method="tables",
        git_commit="0" * 40,
        data_hash="0" * 64,
        seed=seed,
        threads=1,
        libraries={"xgboost": xgboost.__version__},
        cpu_family=cpu_family(),
        action_rule=_action_rule(),
        wordings=CURRENT,
    )
    files = {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "trees.json": trees.dumps(),
        "resamples.json": dumps_resamples((trees,)),
        "reference.json": b"{}",
        "golden.json": msgspec.json.encode(golden_rows(make_scorer(trees, manifest), manifest.settings, [({}, [])])),
    }
    write_bundle(folder, manifest, files, replace=True)


def _action_rule() -> ActionRule:
    """Return the default rule, which searches every request with transactions for all patterns."""
    corroboration = load_config().corroboration
    patterns = {code: dict(limits) for code, limits in corroboration.rules.items()}
    patterns["LARGE_AMOUNT"]["usual"] = 5_000.0  # EUR
    return ActionRule(minimum=corroboration.minimum, patterns=patterns)


def _customer(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a request about a random customer."""
    start = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    types = [one for one in TYPES if one != "MANUAL"]
    # Vary the number and size of transactions, so that probabilities differ.
    size, spread = chance.uniform(1, 7), chance.uniform(2, 80)
    rows: list[dict[str, Any]] = []
    for _ in range(TRANSACTIONS):
        created = start + dt.timedelta(microseconds=chance.randrange(int(spread * 86_400_000_000)))
        took = dt.timedelta(microseconds=chance.randrange(10_000_000_000))
        rows.append(
            {
                "id": str(uuid.UUID(int=chance.getrandbits(128))),
                "state": chance.choices(STATES, [1, 20, 1, 1, 3, 1])[0],
                "type": chance.choice(types),
                "amount": round(chance.lognormvariate(size, 1.5), 2),
                "currency": "EUR",
                "direction": chance.choice(("IN", "OUT")),
                "created_at": created,
                "completed_at": created + took if chance.random() < 0.8 else None,
            }
        )
    times = ("created_at", "completed_at")
    sent = [row | {name: row[name] and _text(row[name]) for name in times} for row in rows]
    return {"customer_id": f"c-{number}", "profile": _PROFILE, "transactions": sent, "history_complete": True}


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
