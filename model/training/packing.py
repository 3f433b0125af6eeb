"""Makes the files of a bundle from a fitted procedure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.policy.calibration import prior_weights
from customer_risk.model.scoring.bundle import dumps_resamples, make_scorer
from customer_risk.model.scoring.golden import golden_request
from customer_risk.model.scoring.golden_answers import golden_answerer, golden_rows
from customer_risk.model.tables.synthetic import generate
from customer_risk.model.training.export import trees_from_booster
from customer_risk.model.training.learners import Boosted, BoostedModel
from customer_risk.model.training.reference import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.scoring.bundle import Manifest
    from customer_risk.model.scoring.golden import GoldenRow
    from customer_risk.model.scoring.scorer import Scorer
    from customer_risk.model.training.procedure import Fitted

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

NAME = "customer-risk"
GOLDEN = 24  # customers
MADE_UP = 10 * GOLDEN  # enough that almost every model proposes one of them for off-boarding
GOLDEN_SEED = 20_250_817  # not the configuration's seed, because synthetic training tables may be made with that one
MOST_ROWS = 80  # of transactions of a golden customer
_PROFILE = (
    "country_of_residence",
    "phone_number_country_code",
    "reason_to_use_app",
    "occupation",
    "kyc_state",
    "screening_state",
    "document_issuing_country",
    "locale",
    "has_biometrics",
    "is_pep",
    "is_adverse_media_minor",
)
_EVENT = ("id", "state", "type", "amount", "currency", "direction", "created_at", "completed_at")


@dataclass(frozen=True, slots=True)
class Shipped:
    """The shipped procedure, and the table that it was fitted to."""

    fitted: Fitted
    table: FeatureTable
    suspended: Flags

    @property
    def model(self) -> BoostedModel:
        """The boosted model. Raises TypeError for another kind of model, which a bundle can't have."""
        if not isinstance(self.fitted.model, BoostedModel):
            raise TypeError(f"a bundle needs a boosted model, not {type(self.fitted.model).__name__}")
        return self.fitted.model


def bundle_files(
    shipped: Shipped, learner: Boosted, manifest: Manifest, *, resamples: int, seed: int
) -> dict[str, bytes]:
    """Return every file of the bundle except the manifest; the same inputs give the same bytes."""
    trees = trees_from_booster(shipped.model.booster)
    columns = shipped.table.select(shipped.model.names)
    shift = manifest.calibration.shift
    shown = manifest.calibration.probability(shipped.fitted.inner_margins)
    weights = prior_weights(shipped.suspended, manifest.risk_rate.portfolio if shift else None)
    return {
        "model.ubj": bytes(shipped.model.booster.save_raw("ubj")),
        "trees.json": trees.dumps(),
        "resamples.json": dumps_resamples(
            tuple(
                trees_from_booster(model.booster)
                for model in _resampled(columns, shipped.suspended, learner, resamples, seed)
            )
        ),
        "reference.json": reference(
            columns, {name: BY_NAME[name].unit for name in columns.names}, shown, weights, manifest.thresholds
        ),
        "golden.json": msgspec.json.format(
            msgspec.json.encode(_golden(make_scorer(trees, manifest), manifest)), indent=1
        ),
    }


def _golden(scorer: Scorer, manifest: Manifest) -> list[GoldenRow]:
    """Return the golden rows, the first of a customer proposed for off-boarding if there is one."""
    customers = golden_customers()
    answer = golden_answerer(scorer, manifest.settings)
    actions = (answer(golden_request(0, *customer))["action"] for customer in customers)
    first = next((at for at, action in enumerate(actions) if action == "propose_off_boarding"), 0)
    chosen = [customers[first], *customers[:first], *customers[first + 1 :]][:GOLDEN]
    return golden_rows(scorer, manifest.settings, chosen)


def golden_customers() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return made-up customers, with and without transactions, as pairs of profile and transaction rows."""
    tables = generate(customers=MADE_UP, seed=GOLDEN_SEED, risk_rate=0.2, unlabelled=1)
    users = tables.users_labelled.unique("user_id", keep="first", maintain_order=True)
    events = {
        str(key[0]): rows for key, rows in tables.transactions_labelled.partition_by("user_id", as_dict=True).items()
    }
    requests = []
    for user in users.iter_rows(named=True):
        rows = events[user["user_id"]].select(_EVENT).to_dicts() if user["user_id"] in events else []
        if len(rows) <= MOST_ROWS:
            requests.append(({name: user[name] for name in _PROFILE}, rows))
    return requests


def _resampled(
    columns: FeatureTable, suspended: Flags, learner: Boosted, count: int, seed: int
) -> Iterator[BoostedModel]:
    """Fit the shipped parameters and columns to customers drawn with replacement, with the same count of each label."""
    random = np.random.default_rng(seed)
    for at in range(count):
        drawn = np.sort(
            np.concatenate([random.choice(np.flatnonzero(kind), int(kind.sum())) for kind in (suspended, ~suspended)])
        )
        yield learner.fit_columns(columns.rows(drawn), suspended[drawn], seed + 1 + at)
