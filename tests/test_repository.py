"""What holds of the repository itself: its locks and its words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
# Programs with environments of their own, which nothing of ours runs in.
SEPARATE = {"bqemulator.txt", "fake-gcs.txt", "triton.txt"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_is_pinned_with_hashes_and_without_an_address(lock: Path) -> None:
    """Each requirement of a lock has one version and at least one hash, and no line names a registry."""
    text = lock.read_text()
    assert "://" not in text
    packages = re.findall(r"^([a-z0-9-]+)==\S+.*?(?=^[a-z0-9-]+==|\Z)", text, re.MULTILINE | re.DOTALL)
    hashed = re.findall(r"^[a-z0-9-]+==[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert packages
    assert len(packages) == len(hashed)


def test_no_lock_brings_the_gpu_build_of_xgboost() -> None:
    """`xgboost-cpu` stands alone: `xgboost` would bring 470 MB of GPU libraries and the same modules."""
    assert not [lock.name for lock in LOCKS if re.search(r"^(xgboost|nvidia-\S+)==", lock.read_text(), re.MULTILINE)]


def test_the_serving_lock_brings_no_training_library() -> None:
    """The image's lock has none of the libraries that only training needs."""
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "serving.txt").read_text(), re.MULTILINE))
    assert not names & {"xgboost-cpu", "scipy", "scikit-learn", "polars", "pyarrow", "optuna", "matplotlib", "shap"}


def test_the_locks_agree_on_every_version() -> None:
    """A package has the same version in every lock of ours, so that what is tested is what ships."""
    versions: dict[str, set[str]] = {}
    for lock in (each for each in LOCKS if each.name not in SEPARATE):
        for line in re.findall(r"^[a-z0-9-]+==[^\\\n]+", lock.read_text(), re.MULTILINE):
            name, _, marker = line.partition(" ;")
            versions.setdefault(name.partition("==")[0] + marker.strip(), set()).add(name.strip())
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_no_row_of_the_real_tables_is_in_the_repository(hometask: Path) -> None:
    """No identifier of the real tables stands in any file of the repository."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    real = {found for table in hometask.glob("*.csv") for found in pattern.findall(table.read_text())}
    assert real
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
            assert not real & set(pattern.findall(text)), name


def test_scripts_and_documents_name_paths_that_exist() -> None:
    """A test or a module that a script, the pipeline or a page of the guide names by its path is in the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = listed.stdout.splitlines()
    naming = [
        name for name in files if re.match(r"scripts/|\.ci/|Makefile|cloudbuild\.yaml|docs/.*\.md|README\.md", name)
    ]
    assert len(naming) > 50
    named = re.compile(r"(?<![\w/.-])(?:tests|model|serving|loadtest|benchmarks|k8s)(?:/[\w-]+)+\.py\b")
    missing = {
        f"{name}: {path}"
        for name in naming
        for path in named.findall((ROOT / name).read_text(errors="replace"))
        if not (ROOT / path).exists() and "NAME" not in path
    }
    assert not missing
