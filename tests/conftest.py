"""Fixtures for all tests: tables, bundles and keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from msgspec import UnsetType
    from numpy.random import Generator

    from customer_risk.model.scoring.action_rule import ActionRule

ROOT = Path(__file__).parent.parent


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `conforms` with each check that every sink of the decision record has to pass."""
    if "conforms" in metafunc.fixturenames:
        from tests.serving.record.conformance import CHECKS

        metafunc.parametrize("conforms", CHECKS, ids=lambda check: check.__name__)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of tests that are coroutines."""
    return "asyncio"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Set the umask 022 for every test: the shell, or a command that an earlier test ran, may have set another."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real tables beside the checkout; tests that need it are skipped without it."""
    folder = Path(os.environ.get("CUSTOMER_RISK_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the real tables are not here ({folder}); set CUSTOMER_RISK_SHARED")
    return folder


@pytest.fixture(scope="session")
def hometask(shared: Path) -> Path:
    """The real tables."""
    return shared / "data" / "hometask"


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 400 labelled and as many unlabelled synthetic customers."""
    from customer_risk.model.tables.synthetic import synthesize

    folder = tmp_path_factory.mktemp("synthetic")
    synthesize(folder, customers=400, seed=7, risk_rate=0.15)
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real bundle: a booster on ten features of 300 synthetic customers, and the default action rule."""
    from tests.action_rules import default_rule

    return _write_bundle(tmp_path_factory.mktemp("bundle") / "bundle", default_rule())


@pytest.fixture(scope="session")
def bundle_without_rule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bundle without an action rule, like those of earlier releases."""
    import msgspec

    return _write_bundle(tmp_path_factory.mktemp("bundle-without-rule") / "bundle", msgspec.UNSET)


def _write_bundle(folder: Path, rule: ActionRule | UnsetType) -> Path:
    import msgspec
    import numpy as np
    import xgboost

    from customer_risk.model.features import catalogue
    from customer_risk.model.features.kernel import compute as kernel
    from customer_risk.model.features.wordings import CURRENT
    from customer_risk.model.scoring import bundle as bundles
    from customer_risk.model.scoring.calibration import Calibration
    from customer_risk.model.scoring.golden import cpu_family
    from customer_risk.model.scoring.golden_answers import golden_rows
    from customer_risk.model.scoring.segments import Thresholds
    from customer_risk.model.training.export import trees_from_booster
    from tests.model.features.encoding import encode_customer

    chance = np.random.default_rng(7)
    customers = [_made_up(chance) for _ in range(300)]
    values = np.vstack([kernel.compute(encode_customer(*customer)) for customer in customers])
    known = np.isfinite(values)
    spread = np.array(
        [np.ptp(column[there]) if there.any() else 0 for column, there in zip(values.T, known.T, strict=True)]
    )
    chosen = [i for i, f in enumerate(catalogue.CATALOGUE) if f.default and spread[i] > 0 and known[:, i].mean() > 0.4][
        :10
    ]
    totals = np.array([sum(t["amount"] for t in transactions) for _, transactions in customers])
    labels = (totals > np.median(totals)) & (chance.random(300) < 0.5)
    names = tuple(catalogue.NAMES[i] for i in chosen)
    booster = xgboost.train(
        {"max_depth": 3, "eta": 0.2, "objective": "binary:logistic", "nthread": 1, "seed": 7},
        xgboost.DMatrix(values[:, chosen], labels),
        num_boost_round=20,
    )
    trees = trees_from_booster(booster)
    manifest = bundles.Manifest(
        name="customer-risk",
        features=names,
        catalogue_hash=catalogue.catalogue_hash(),
        settings=bundles.FeatureSettings(
            lookback_days=catalogue.LOOKBACK_DAYS,
            max_transactions=catalogue.MAX_TRANSACTIONS,
            excluded_types=("MANUAL",),
        ),
        thresholds=Thresholds(medium=0.3, high=0.6),
        calibration=Calibration(0.9, 0.1, 0.0),
        risk_rate=bundles.RiskRate(sample=float(labels.mean()), portfolio=None),
        metrics={},
        explain_method="tables",
        git_commit="0" * 40,
        data_hash="0" * 64,
        seed=7,
        threads=1,
        libraries={},
        cpu_family=cpu_family(),
        action_rule=rule,
        wordings=CURRENT,
    )
    files = {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "trees.json": trees.dumps(),
        "resamples.json": bundles.dumps_resamples((trees,)),
        "reference.json": b"{}",
        "golden.json": msgspec.json.encode(
            golden_rows(bundles.make_scorer(trees, manifest), manifest.settings, customers[:5])
        ),
    }
    bundles.write_bundle(folder, manifest, files)
    return folder


def _made_up(chance: Generator) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return a synthetic customer: a profile and a few weeks of transactions."""
    day = 86_400_000_000
    size = float(chance.lognormal(3, 1))
    profile = {
        "reason_to_use_app": str(chance.choice(["TRAVEL_ACCOUNT", "CRYPTO_SERVICES"])),
        "occupation": str(chance.choice(["STUDENTS", "HEALTH", "RETIRED"])),
        "kyc_state": "COMPLETED",
        "country_of_residence": "FR",
        "has_biometrics": bool(chance.random() < 0.5),
    }
    transactions = [
        {
            "id": f"t-{i}",
            "state": str(chance.choice(["COMPLETED", "COMPLETED", "DECLINED"])),
            "type": str(chance.choice(["CARDS", "BANK_TRANSFER", "CRYPTO_ON_RAMP"])),
            "amount": round(size * float(chance.lognormal(0, 1)), 2),
            "currency": "EUR",
            "direction": str(chance.choice(["IN", "OUT"])),
            "created_at": 19_900 * day + int(chance.integers(0, 30 * day)),
            "completed_at": None,
        }
        for i in range(int(chance.integers(0, 30)))
    ]
    return profile, transactions


@pytest.fixture(scope="session")
def rsa_key() -> RSAPrivateKey:
    """An issuer's RSA key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> EllipticCurvePrivateKey:
    """An issuer's key on P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def jwk():
    """Return a key as a member of a JWK set."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt import algorithms

    def made(key: Any, **more: Any) -> dict[str, Any]:
        if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
            return {**algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), **more}
        return {**algorithms.ECAlgorithm.to_jwk(key, as_dict=True), **more}

    return made


@pytest.fixture(scope="session")
def key_set(rsa_key, ec_key, jwk) -> bytes:
    """An issuer's key set: one RSA and one EC key, public."""
    members = [jwk(rsa_key.public_key(), kid="rsa"), jwk(ec_key.public_key(), kid="ec")]
    return json.dumps({"keys": members}).encode()
