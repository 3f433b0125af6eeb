"""Train, score and sign on the real tables; the bundle has no identifier of a customer."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

SHORT = "training: {trials: 6, resamples: 5}\nevaluation: {repeats: 1, bootstraps: 200}\n"


def _run(command: Path, *arguments: object, expect: int = 0) -> str:
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(command: Path, hometask: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the real tables, with a smaller budget than the defaults'."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "short.yaml").write_text(SHORT)
    _run(command, "train", hometask, "--out", folder / "run", "--config", folder / "short.yaml")
    return folder / "run"


@pytest.fixture(scope="module")
def lists(command: Path, hometask: Path, run: Path) -> Path:
    """The unlabelled customers, scored."""
    _run(command, "score", run / "bundle", hometask, "--out", run.parent / "lists")
    return run.parent / "lists"


def _ids(path: Path) -> set[str]:
    with path.open() as file:
        return {row["user_id"] for row in csv.DictReader(file)}


def test_the_real_tables_pass_their_check(command: Path, hometask: Path) -> None:
    """The real tables pass every rule within the configured share, with their oddities counted."""
    assert "1,138" in _run(command, "check", hometask, "--all")


def test_a_run_ranks_far_better_than_chance(run: Path) -> None:
    """Held-out customers are ranked: the lower end of ROC-AUC's interval is well above one half."""
    found = json.loads((run / "bundle" / "manifest.json").read_text())["metrics"]
    assert found["roc_auc"]["low"] > 0.65
    assert found["calibration_error"]["estimate"] < 0.1


def test_no_training_customer_is_in_the_bundle(run: Path, hometask: Path) -> None:
    """No file of the bundle, the report or the model card has an identifier of the labelled tables."""
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    real = {
        one
        for name in ("users", "transactions")
        for one in pattern.findall((hometask / f"{name}_labelled.csv").read_text())
    }
    for path in [*(run / "bundle").iterdir(), run / "report.html", run / "MODEL_CARD.md"]:
        assert not real & set(pattern.findall(path.read_bytes().decode(errors="ignore"))), path.name


def test_every_unlabelled_customer_has_a_score(lists: Path, hometask: Path) -> None:
    """Each of the 263 customers has one score, also those without transactions."""
    with (lists / "scores.csv").open() as file:
        scored = [row["customer_id"] for row in csv.DictReader(file)]
    assert len(scored) == 263
    assert set(scored) == _ids(hometask / "users_unlabelled.csv")


def test_the_lists_hold_high_customers_with_and_without_corroboration(lists: Path) -> None:
    """Customers proposed for off-boarding are High and have a pattern; no customer is on both lists."""
    with (lists / "offboarding.csv").open(encoding="utf-8-sig") as file:
        proposed = list(csv.DictReader(file))
    with (lists / "review.csv").open(encoding="utf-8-sig") as file:
        reviewed = list(csv.DictReader(file))
    assert reviewed
    assert {row["segment"] for row in proposed} <= {"high"}
    assert not {row["customer_id"] for row in proposed} & {row["customer_id"] for row in reviewed}


def test_the_list_is_signed_only_when_every_line_is(command: Path, lists: Path) -> None:
    """A list is refused with the number of its lines until a named person has decided every line."""
    with (lists / "offboarding.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        pytest.fail("no customer was proposed on the real tables; choose cut-offs that propose somebody")
    refused = _run(command, "offboarding", "sign", lists / "offboarding.csv", expect=2)
    assert f"{len(rows)} lines can't be accepted" in refused
    for row in rows:
        row |= {"decision": "keep", "name": "A. Analyst", "date": datetime.now(UTC).date().isoformat(), "note": "seen"}
    filled = lists.parent / "filled.csv"
    with filled.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    _run(command, "offboarding", "sign", filled, "--scores", lists)
