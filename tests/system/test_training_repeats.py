"""Two processes that train on the same input write the same bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from customer_risk.model.tables.synthetic import synthesize

pytestmark = pytest.mark.system

SETTINGS = """
threads: 2
training: {trials: 3, members: 2, inner_folds: 2, resamples: 2}
evaluation: {folds: 2, repeats: 1, bootstraps: 30}
"""


def test_two_processes_make_the_same_bundle_byte_for_byte(tmp_path):
    """Same tables, seed, versions, commit and threads give the same bytes, whatever the hash seed."""
    tables, settings = tmp_path / "tables", tmp_path / "small.yaml"
    synthesize(tables, customers=160, seed=3, risk_rate=0.2, unlabelled=20)
    settings.write_text(SETTINGS)
    command = Path(sys.executable).with_name("customer-risk")
    made = []
    for hash_seed in ("1", "2"):
        out = tmp_path / f"RUN-{hash_seed}"
        subprocess.run(
            [command, "train", tables, "--out", out, "--config", settings],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        made.append({path.name: path.read_bytes() for path in sorted((out / "bundle").iterdir())})
    assert made[0] == made[1]
