"""`make demo`, whole: from nothing to an answered request."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent


def test_the_demo_goes_from_tables_to_an_answered_request(tmp_path) -> None:
    """Every step succeeds; report, bundle, lists and answer are where it says, and the answer replays to the bit."""
    demo = Path(os.environ.get("DEMO") or tmp_path / "demo")
    surroundings = {name: value for name, value in os.environ.items() if name != "TABLES"} | {"DEMO": str(demo)}
    done = subprocess.run(
        [ROOT / "scripts/demo"], capture_output=True, text=True, env=surroundings, timeout=3600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "the very probability that the list of step 5 has" in done.stdout
    assert re.search(r"^same +bit for bit +1$", done.stdout, re.MULTILINE), done.stdout[-3000:]
    for name in ("run/report.html", "run/MODEL_CARD.md", "lists/offboarding.html", "lists/scores.csv"):
        assert (demo / name).is_file()
        assert name.split("/")[0] in done.stdout
    answer = json.loads((demo / "answer.json").read_bytes())
    assert answer["reasons"]
    assert (demo / "registry" / "bundles" / answer["model"]["version"]).is_dir()
