"""Fuzz each decoder, guided by its coverage: each input is answered or refused, without other errors.

By default the number of inputs and the seed are fixed, so that a change fails for its own faults only.
`FUZZ_SECONDS=600 .venv/bin/python -m pytest -m system tests/system/test_fuzz_decoders.py` searches for other inputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from customer_risk.model.scoring.bundle import load_bundle
from tests.fuzz import seeds
from tests.fuzz.seeds import INPUT

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
SECONDS = os.environ.get("FUZZ_SECONDS")
RUNS = 10_000  # inputs for each target, which take an idle machine about 4 seconds
AT_A_TIME = 2  # targets; other tests share the machine's two cores


@pytest.fixture(scope="module")
def runs(bundle, tmp_path_factory):
    """The future of each target's run, by the target's name; AT_A_TIME of them run at once."""
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
    """Run a target; libFuzzer writes an input that fails into the folder."""
    harness = ROOT / "tests" / "fuzz" / "decoders.py"
    searched = [f"-max_total_time={SECONDS}"] if SECONDS else [f"-runs={RUNS}", "-seed=7"]
    options = [*searched, "-max_len=4096", "-timeout=60", f"-artifact_prefix={folder}/"]
    return subprocess.run(
        ["nice", sys.executable, harness, target, bundle, folder / "corpus", *options],  # beside other tests
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600 + float(SECONDS or 0),  # the kernels' compilation included
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
    )


@pytest.mark.parametrize("target", seeds.TARGETS)
def test_the_decoder_answers_or_refuses_each_input(runs: dict[str, Future], target) -> None:
    """Each input is answered or refused, and fuzzing finds inputs that cover more code than the corpus does."""
    done = runs[target].result()
    found = re.findall(INPUT + r" \S*", done.stderr)  # the last lines of a log are read first
    assert done.returncode == 0, "\n".join((done.stdout[-1000:], done.stderr[-3000:], *found[-1:]))
    ran = int(re.findall(r"^Done (\d+) runs", done.stderr, re.MULTILINE)[-1])
    assert SECONDS or ran >= RUNS
    at_first, at_last = (int(_coverage(done.stderr, event)) for event in ("INITED", "DONE"))
    assert 100 < at_first < at_last, done.stderr[-3000:]


def _coverage(log: str, event: str) -> str:
    return re.findall(rf"^#\d+\s+{event}\s+cov: (\d+) ", log, re.MULTILINE)[-1]
