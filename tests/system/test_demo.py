"""`make demo` from its first step to an answered request."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.tables.synthetic import synthesize

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent


def run(**given: object) -> subprocess.CompletedProcess[str]:
    """Run the demo with some variables."""
    others = {name: value for name, value in os.environ.items() if name not in {"TABLES", "MAPPING", "QUICK"}}
    surroundings = others | {name: str(value) for name, value in given.items()}
    return subprocess.run(
        [ROOT / "scripts/demo"], capture_output=True, text=True, env=surroundings, timeout=3600, check=False
    )


def test_the_demo_runs_on_tables_with_a_mapping(tmp_path) -> None:
    """Tables with semicolons and decimal commas go through every step with their mapping."""
    tables, mapping = tmp_path / "bank's tables", tmp_path / "mapping.yaml"
    synthesize(tmp_path / "plain", customers=800, seed=7, risk_rate=0.1)
    tables.mkdir()
    for path in (tmp_path / "plain").iterdir():
        frame = pl.read_csv(path, infer_schema=False)
        if "amount" in frame.columns:
            frame = frame.with_columns(pl.col("amount").str.replace(".", ",", literal=True))
        frame.write_csv(tables / path.name, separator=";")
    mapping.write_text("csv: {separator: ';', decimal: ','}")
    done = run(TABLES=tables, MAPPING=mapping, DEMO=tmp_path / "demo", QUICK=1)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "the same probability and action as in the list of step 5" in done.stdout


def test_the_demo_refuses_what_it_cannot_use(tmp_path) -> None:
    """A missing folder or mapping, and tables in the folder that the demo removes, are refused; nothing is removed."""
    demo, tables = tmp_path / "demo", tmp_path / "demo" / "tables"
    tables.mkdir(parents=True)
    for given, said in (
        ({"TABLES": "nowhere"}, "TABLES=nowhere is not a folder"),
        ({"TABLES": tmp_path, "MAPPING": "nowhere.yaml"}, "MAPPING=nowhere.yaml is not a file"),
        ({"MAPPING": "mapping.yaml"}, "Name their folder with TABLES"),
        ({"TABLES": tables}, "which the demo empties first"),
    ):
        done = run(DEMO=demo, **given)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert tables.is_dir()


@pytest.mark.parametrize("missing", ["labelled", "unlabelled"])
def test_the_demo_refuses_tables_of_one_cohort_before_it_trains(tmp_path, missing) -> None:
    """Tables without one of the cohorts are refused after the check, with the cohort's name."""
    tables = tmp_path / "tables"
    synthesize(tables, customers=400, seed=7, risk_rate=0.1)
    for path in tables.glob(f"*_{missing}.csv"):
        path.unlink()
    done = run(TABLES=tables, DEMO=tmp_path / "demo")
    assert done.returncode == 2, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{tables} has no {missing} tables." in done.stderr
    assert "3. Train" not in done.stdout


def test_every_step_of_the_demo_succeeds(tmp_path) -> None:
    """Every step succeeds; all results are at the printed paths, and the answer replays to the bit."""
    demo = Path(os.environ.get("DEMO") or tmp_path / "a demo[1] #'%41")  # no name breaks a step
    done = run(DEMO=demo)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (done.stdout + done.stderr).replace(str(demo), "build/demo").splitlines()
    assert sum(-(-len(line) // 120) or 1 for line in lines) <= 100, (
        done.stdout
    )  # two screens of 50 lines of 120 columns
    assert "Open first:" in lines[-7]
    assert "docs/images/dashboards" in lines[-2]
    assert "build/demo/run/bundle" in lines[-1]
    for said in (
        "the same probability and action as in the list of step 5",
        "Off-boarding is proposed: the segment is High",
        "What raises the score",
        "Signed off: off-board 0, keep 1, review-again 0; decided by Demo Analyst (1)",
    ):
        assert said in done.stdout
    approved = r"Approved by Demo Approver \(claimed\): 1 decisions? of receipt 1, lines? 1 \(receipt 2\)"
    for said in (r"same +bit for bit +1", r"1 of \d+ lines decided.*", approved):
        assert re.search(f"^{said}$", done.stdout, re.MULTILINE), done.stdout
    assert (demo / "lists" / "signed" / "0002.receipt.json").is_file()
    assert "<article" in (demo / "customer.html").read_text()
    for name in ("run/report.html", "run/MODEL_CARD.md", "lists/offboarding.html", "lists/scores.csv"):
        assert (demo / name).is_file()
    answer = json.loads((demo / "answer.json").read_bytes())
    assert answer["reasons"]
    assert (demo / "registry" / "bundles" / answer["model"]["version"]).is_dir()
