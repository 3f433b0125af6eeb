"""A bundle of schema version 2, made by an earlier release: tests/data/version-2 holds it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from customer_risk.model.errors import GoldenMismatch
from customer_risk.model.scoring.bundle import load_bundle, write_bundle
from customer_risk.model.scoring.golden import check_golden
from customer_risk.model.scoring.golden_answers import golden_answerer
from customer_risk.model.scoring.segments import ACTIONS

BUNDLE = Path(__file__).parents[2] / "data" / "version-2" / "bundle"


def test_a_bundle_of_version_2_is_checked_without_an_action_rule() -> None:
    """The golden rows are answered as before: every High customer proposed, and no patterns."""
    loaded = load_bundle(BUNDLE, verify_golden=False)
    answer = golden_answerer(loaded.scorer, loaded.manifest.settings)
    # The last bit may differ, as its manifest doesn't name the NumPy that made it.
    check_golden(answer, loaded.golden, made_on="another", where=BUNDLE)
    assert loaded.manifest.schema_version == 2
    assert loaded.manifest.action_rule is UNSET
    assert loaded.manifest.wordings is UNSET
    assert loaded.finder() is None
    answers = [row["answer"] for row in loaded.golden]
    assert {answer["segment"] for answer in answers} == {"low", "medium", "high"}
    assert all(answer["action"] == ACTIONS[answer["segment"]] for answer in answers)
    assert all(answer["patterns"] is None for answer in answers)


@pytest.mark.parametrize(
    "change", [{"action": "review"}, {"patterns": []}, {"reasons": []}], ids=["action", "patterns", "reasons"]
)
def test_a_golden_row_of_version_2_by_another_rule_is_refused(change, tmp_path) -> None:
    """An answer that differs from the rule or the wordings of the bundle is a mismatch."""
    manifest = load_bundle(BUNDLE, verify_golden=False).manifest
    files = {name: (BUNDLE / name).read_bytes() for name in manifest.files}
    rows = json.loads(files["golden.json"])
    high = next(row for row in rows if row["answer"]["segment"] == "high")
    high["answer"] |= change
    write_bundle(tmp_path / "b", manifest, files | {"golden.json": msgspec.json.encode(rows)})
    with pytest.raises(GoldenMismatch, match=next(iter(change))):
        load_bundle(tmp_path / "b")
