"""docs/guide/adding-a-feature.md, followed step by step."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "adding-a-feature.md"
COPIED = ("model", "serving", "src", "tests", "docs", "pyproject.toml")
BLOCKS = re.compile(r"^```(diff|sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the repository that the page may change."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_page_leads_to_a_model_that_uses_the_feature(copy) -> None:
    """Each change applies, each command ends as the page says, and the new feature is trained on and explained."""
    environment = os.environ | {
        "PYTHONPATH": str(copy / "src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NUMBA_DISABLE_JIT": "1",  # compiling the changed kernel takes longer than these few customers
    }
    blocks = BLOCKS.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _ in blocks} == {"diff", "sh", "text"}
    for (kind, content), (next_kind, expected) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "diff":
            subprocess.run(["git", "apply", "-"], input=content, cwd=copy, text=True, check=True)
        elif kind == "sh":
            ran = subprocess.run(
                ["bash", "-ec", content], cwd=copy, env=environment, capture_output=True, text=True, check=False
            )
            said = " ".join((ran.stdout + ran.stderr).split())
            lines = expected.splitlines() if next_kind == "text" else []
            assert (ran.returncode != 0) == any(line.startswith("error:") for line in lines), said
            assert [line for line in lines if line not in said] == []
