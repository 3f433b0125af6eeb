"""FastAPI with pydantic: `python fastapi_score.py model.ubj PORT [contributions]`; without an access log."""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel


class Customer(BaseModel):
    """A request."""

    customer_id: str
    features: dict[str, float | None]


class Scored(BaseModel):
    """An answer."""

    customer_id: str
    probability: float
    contributions: dict[str, float] | None = None


def make(model_file: str, *, contributions: bool) -> FastAPI:
    """Return the application; with `contributions`, every answer has them."""
    booster = xgboost.Booster({"nthread": 1}, model_file=model_file)
    names = booster.feature_names
    app = FastAPI()

    # On the event loop: a thread for each request (`def` instead of `async def`) is slower.
    @app.post("/risk")
    async def risk(customer: Customer) -> Scored:
        values = np.array([[customer.features.get(name) for name in names]], dtype=np.float64)
        probability = float(booster.inplace_predict(values)[0])
        if not contributions:
            return Scored(customer_id=customer.customer_id, probability=probability)
        matrix = xgboost.DMatrix(values, feature_names=names, nthread=1)
        parts = booster.predict(matrix, pred_contribs=True)[0]
        named = dict(zip(names, parts[:-1].tolist(), strict=True))
        return Scored(customer_id=customer.customer_id, probability=probability, contributions=named)

    return app


if __name__ == "__main__":
    app = make(sys.argv[1], contributions="contributions" in sys.argv)
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
