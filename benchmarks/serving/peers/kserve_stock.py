"""A KServe custom predictor as in its documentation: `python kserve_stock.py model.ubj PORT`; score only."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import xgboost

model_file, port = sys.argv[1:3]
sys.argv = sys.argv[:1]  # KServe reads the command line as well

from kserve import Model, ModelServer  # noqa: E402  after the line above


class Stock(Model):  # type: ignore[misc]  # KServe ships no types
    """Scores instances: lists of features by position."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.booster = xgboost.Booster({"nthread": 1}, model_file=model_file)
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: object = None) -> dict[str, Any]:  # noqa: ARG002  KServe's signature
        """Score one request's instances."""
        values = np.asarray(payload["instances"], dtype=np.float64)
        return {"predictions": self.booster.inplace_predict(values).tolist()}


if __name__ == "__main__":
    ModelServer(http_port=int(port), enable_grpc=False).start([Stock("stock")])
