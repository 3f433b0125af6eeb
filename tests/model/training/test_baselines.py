"""The models that XGBoost is compared with."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORESTS = """
from concurrent.futures import ThreadPoolExecutor
import time, warnings
import numpy as np
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training import baselines

chance = np.random.default_rng(0)
names = NAMES[:5]
table = FeatureTable(ids=tuple(map(str, range(80))), names=names, values=chance.normal(size=(80, 5)))
suspended = chance.random(80) < 0.4
reset = warnings.resetwarnings

def reset_and_let_others_run():
    reset()
    time.sleep(0.001)

warnings.resetwarnings = reset_and_let_others_run

def run(seed):
    return baselines.Forest(keep=5, trees=5).fit(table, suspended, seed).margins(table)

with ThreadPoolExecutor(2) as pool:
    list(pool.map(run, range(4)))
"""


@pytest.mark.compiled
def test_forests_in_several_threads_print_no_warnings():
    """scikit-learn changes the process's warning filters for each tree, which threads must not do at once."""
    outcome = subprocess.run([sys.executable, "-c", FORESTS], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
