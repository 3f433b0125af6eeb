"""Every compiled function called once, so that all of them are on the disk when an image is built."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from customer_risk.model.errors import InputError
from customer_risk.model.features import catalogue
from customer_risk.model.scoring.bundle import Bundle, Manifest, RiskRate, make_scorer
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.measure import FeatureSettings
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.model.scoring.trees import Packed, Trees
from customer_risk.serving.contract import json_scanner as spans
from customer_risk.serving.contract.batch import read_items
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.kserve.v2 import fields

_FEATURES: Final = 3
_MESSAGE: Final = b"\x2a\x08\x1a\x01\x01\x2a\x03\x42\x01c"  # a request: one tensor of shape [1] with one text
_TIMES: Final = ("2024-08-21T10:33:50.629801Z", "2024-08-22 10:33:50.1 UTC", "2024-08-23T10:33:50+02:00")


def warm() -> None:
    """Answer a made-up customer by a made-up model, in every way that serving has."""
    trees = _trees()
    row = np.zeros((1, _FEATURES))
    Explainer(trees, memory_limit_bytes=0).explain(row)
    trees.margins(row)
    service = Service("warm")
    service.use(_bundle(trees))
    rows: list[dict[str, object]] = [
        {
            "id": f"t-{i}",
            "state": "COMPLETED",
            "type": "CARDS",
            "amount": 1.5,
            "currency": "EUR",
            "direction": "OUT",
            "created_at": moment,
            "completed_at": moment if i else None,
        }
        for i, moment in enumerate(_TIMES)
    ]
    columns = {name: [each[name] for each in rows] for name in rows[0]}
    for transactions in (rows, columns, []):
        request = {"customer_id": "c", "profile": {}, "transactions": transactions, "history_complete": True}
        service.answer(msgspec.json.encode(request))
        with contextlib.suppress(InputError):
            service.answer(msgspec.json.encode(request | {"customer_id": None}).replace(b"null", b"NaN"))
    service.answer_values("c", np.zeros(_FEATURES))
    read_items(b'{"requests":[{"customer_id":"c"}]}')
    spans.holds_more(b"[1]", 1)
    fields.holds_more(_MESSAGE, 9)


def _trees() -> Trees:
    """Make two full trees of depth three, so that every loop of explaining has something to do."""
    inner, leaves = range(7), range(8)
    each = Packed(
        features=_FEATURES,
        base=0.0,
        offsets=[0, 15],
        feature=[*(i % _FEATURES for i in inner), *(-1 for _ in leaves)],
        threshold=[*(float(i) for i in inner), *(0.0 for _ in leaves)],
        default_left=[*(i % 2 == 0 for i in inner), *(False for _ in leaves)],
        left=[*(2 * i + 1 for i in inner), *(-1 for _ in leaves)],
        right=[*(2 * i + 2 for i in inner), *(-1 for _ in leaves)],
        value=[*(0.0 for _ in inner), *(0.1 * i for i in leaves)],
        cover=[8.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0, *(1.0 for _ in leaves)],
    )
    twice = {name: getattr(each, name) * 2 for name in Packed.__struct_fields__ if name not in {"features", "base"}}
    return Trees.unpack(Packed(features=_FEATURES, base=0.0, **twice | {"offsets": [0, 15, 30]}))


def _bundle(trees: Trees) -> Bundle:
    manifest = Manifest(
        name="warm",
        features=catalogue.NAMES[:_FEATURES],
        catalogue_hash=catalogue.catalogue_hash(),
        settings=FeatureSettings(
            lookback_days=catalogue.LOOKBACK_DAYS,
            max_transactions=catalogue.MAX_TRANSACTIONS,
            excluded_types=("MANUAL",),
        ),
        thresholds=Thresholds(medium=0.3, high=0.6),
        calibration=Calibration(1.0, 0.0, 0.0),
        risk_rate=RiskRate(sample=0.1, portfolio=None),
        metrics={},
        explain_method="tables",
        git_commit="",
        data_hash="",
        seed=0,
        threads=1,
        libraries={},
        cpu_family="",
    )
    return Bundle(Path(), manifest, "0" * 64, trees, make_scorer(trees, manifest), [])
