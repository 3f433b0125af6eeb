"""The learning curve: the procedure trained on growing numbers of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.results import CurvePoint
from customer_risk.model.training.ablations import untuned

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.procedure import Fitted
    from customer_risk.model.training.study import Study

    Flags = NDArray[np.bool_]

SIZES = (0.4, 0.6, 0.8, 1.0)


def learning_curve(study: Study, tick: Callable[[], None]) -> tuple[CurvePoint, ...]:
    """Train on growing shares of each fold's training customers, and test on all of the fold's test customers."""
    points = []
    plain = untuned(study)
    for share in SIZES:

        def fit(table: FeatureTable, suspended: Flags, seed: int, share: float = share) -> Fitted:
            kept = _share(suspended, share, seed)
            return plain(table.rows(kept), suspended[kept], seed)

        found = study.cross_validate(fit, tick=tick)
        sizes = [len(one.fitted.inner_margins) for one in found.fits]
        positives = [int(one.labels[_share(one.labels, share, 0)].sum()) for one in found.fits]
        points.append(
            CurvePoint(
                customers=float(np.mean(sizes)),
                suspended=float(np.mean(positives)),
                metrics=study.intervals(study.measure(found.probabilities, found=found)),
            )
        )
    return tuple(points)


def _share(suspended: Flags, share: float, seed: int) -> NDArray[np.int64]:
    """Return positions of a share of each label's customers, ascending; at least four each, which inner folds need."""
    random = np.random.default_rng(seed)
    kept = []
    for kind in (suspended, ~suspended):
        members = np.flatnonzero(kind)
        kept.append(random.permutation(members)[: max(4, round(share * len(members)))])
    return np.sort(np.concatenate(kept))
