"""A number gives the same value at every entrance, or is refused there by its name."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.parsing import read_numbers
from customer_risk.model.tables.reading import read_table
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Format, Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.decisions.engine import Engine
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.store.file import FileStore
from tests.number_texts import NUMBERS, ONLY_IN_TABLES

INFER = "/v2/models/customer-risk/infer"
NOT_JSON = "not JSON"
# A value, the fields that were refused, or NOT_JSON.
Reading = float | tuple[str, ...] | str | None


@pytest.fixture
def seen(monkeypatch) -> dict[str, float]:
    """The first feature's value in each request that is answered, by customer."""
    found: dict[str, float] = {}
    judge = Engine.judge_values

    def keep(self: Engine, customer_id: str, values: Any, *more: Any, **options: Any) -> Any:
        found[customer_id] = float(values[0])
        return judge(self, customer_id, values, *more, **options)

    monkeypatch.setattr(Engine, "judge_values", keep)
    return found
