"""A minute of odd bytes at each decoder, led by its coverage: each is answered or refused, nothing else is raised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from model.scoring.bundle import load_bundle
from tests.fuzz import seeds

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60  # of fuzzing, for each target
AT_A_TIME = 2  # targets; a machine of two cores has other tests to run
LEAST_RUNS = 5_000  # a minute makes over 200,000 where the machine has nothing else to do


@pytest.fixture(scope="module")
def runs(bundle, tmp_path_factory):
    """What becomes of each target's run, by its name; a few run beside each other."""
    features = load_bundle(bundle, verify_golden=False).manifest.features
    pool = ThreadPoolExecutor(AT_A_TIME)
    started = {}
    for target in seeds.TARGETS:
        folder = tmp_path_factory.mktemp(target)
        (folder / "corpus").mkdir()
        seeds.plant(target, features, folder / "corpus")
        started[target] = pool.submit(_fuzz, target, bundle, folder)
    yield started
    pool.shutdown(cancel_futures=True)


def _fuzz(target: str, bundle: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a target; an input that it fails at is left in the folder."""
    harness = ROOT / "tests" / "fuzz" / "decoders.py"
    options = [f"-max_total_time={SECONDS}", "-seed=7", "-max_len=4096", "-timeout=60", f"-artifact_prefix={folder}/"]
    return subprocess.run(
        ["nice", sys.executable, harness, target, bundle, folder / "corpus", *options],  # beside tests of servers
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,  # the kernels' compilation included
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("target", seeds.TARGETS)
def test_the_decoder_stands_whatever_bytes_come(runs: dict[str, Future], target) -> None:
    """Each input is answered or refused, and inputs were found that reach further than the corpus does."""
    done = runs[target].result()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-9000:]  # an input takes 5,500
    ran = int(re.findall(r"^Done (\d+) runs", done.stderr, re.MULTILINE)[-1])
    assert ran >= LEAST_RUNS
    at_first, at_last = (int(_coverage(done.stderr, event)) for event in ("INITED", "DONE"))
    assert 100 < at_first < at_last, done.stderr[-3000:]


def _coverage(log: str, event: str) -> str:
    return re.findall(rf"^#\d+\s+{event}\s+cov: (\d+) ", log, re.MULTILINE)[-1]
