"""The Python API in fresh processes: its import, its notebook, and user files with the same names as its modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def _python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_loads_no_library(tmp_path) -> None:
    """`import customer_risk` imports only the standard library, and still lists every public name."""
    code = (
        "import sys, customer_risk\n"
        "assert set(customer_risk.__all__) <= set(dir(customer_risk))\n"
        "print([name for name in ('numba', 'numpy', 'polars', 'sklearn', 'msgspec', 'click') if name in sys.modules])"
    )
    assert _python(code, tmp_path) == "[]\n"


def test_every_public_name_can_be_imported(tmp_path) -> None:
    """Each public name has an object with a docstring."""
    code = (
        "from customer_risk import *\n"
        "import customer_risk\n"
        "print([name for name in customer_risk.__all__ if not globals()[name].__doc__])"
    )
    assert _python(code, tmp_path) == "[]\n"


def test_users_may_name_their_files_model_and_serving(tmp_path, synthetic) -> None:
    """A script beside model.py, serving.py and tables.py uses the API, and these files are never imported."""
    for name in ("model", "serving", "tables", "customer"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')")
    assert "passed=True" in _python(f"import customer_risk\nprint(customer_risk.check({str(synthetic)!r}))", tmp_path)


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs_and_is_stored_without_outputs(tmp_path, notebook) -> None:
    """Every cell of a notebook of docs/examples runs, and the stored file has no output."""
    content = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in content.cells)
    NotebookClient(content, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    said = str([cell.get("outputs") for cell in content.cells])
    for part in ("CheckResult(passed=True", "TrainingResult(", "ScoringResult(100 customers", "What raises the score"):
        assert part in said
