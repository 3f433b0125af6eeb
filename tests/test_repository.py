"""The repository's own files: locks, metadata, checks, README.md and other pages."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
# Programs with environments of their own, in which none of our code runs.
SEPARATE = {"bqemulator.txt", "fake-gcs.txt", "triton.txt"}


def _files() -> list[str]:
    """Return the paths of all files in git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.rstrip("\0").split("\0")


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
    """Only `xgboost-cpu` is locked: `xgboost` has the same modules and 470 MB of GPU libraries."""
    assert not [lock.name for lock in LOCKS if re.search(r"^(xgboost|nvidia-\S+)==", lock.read_text(), re.MULTILINE)]


def test_the_serving_lock_brings_no_training_library() -> None:
    """The image's lock has none of the libraries that only training needs."""
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "serving.txt").read_text(), re.MULTILINE))
    assert not names & {"xgboost-cpu", "scipy", "scikit-learn", "polars", "pyarrow", "optuna", "matplotlib", "shap"}


def test_the_locks_agree_on_every_version() -> None:
    """A package has the same version in every lock, so that the tested versions are shipped."""
    versions: dict[str, set[str]] = {}
    for lock in (each for each in LOCKS if each.name not in SEPARATE):
        for line in re.findall(r"^[a-z0-9-]+==[^\\\n]+", lock.read_text(), re.MULTILINE):
            name, _, marker = line.partition(" ;")
            versions.setdefault(name.partition("==")[0] + marker.strip(), set()).add(name.strip())
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_no_row_of_the_real_tables_is_in_the_repository(hometask: Path) -> None:
    """No file of the repository contains an identifier of the real tables."""
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    real = {found for table in hometask.glob("*.csv") for found in pattern.findall(table.read_text())}
    assert real
    for name in _files():
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
            assert not real & set(pattern.findall(text)), name


def test_scripts_and_documents_name_paths_that_exist() -> None:
    """A test or a module that a script, the pipeline or a page of the guide names by its path is in the repository."""
    naming = [
        name for name in _files() if re.match(r"scripts/|\.ci/|Makefile|cloudbuild\.yaml|docs/.*\.md|README\.md", name)
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


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_short_lines_and_links_that_lead_somewhere(name: str) -> None:
    """No line is longer than 160 characters, and each link names a file, and a heading of it if it has an anchor."""
    text = (ROOT / name).read_text(encoding="utf-8")
    rows_too = name == "README.md"
    assert not [line for line in text.splitlines() if len(line) > 160 and (rows_too or not line.startswith("|"))]
    tokens = [
        child for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) for child in token.children or []
    ]
    links = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        assert (ROOT / (path or name)).exists(), link
        if anchor:
            assert anchor in _anchors((ROOT / (path or name)).read_text(encoding="utf-8")), link


def _anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_shows_at_most_eight_numbers() -> None:
    """The table of numbers is short; docs/benchmarks.md has the rest."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Numbers")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert 4 <= len(rows) <= 8


def test_the_packages_metadata_names_the_licence_and_pages_of_this_repository() -> None:
    """The licence is Apache-2.0, its text is included, and the supported Pythons are those of `requires-python`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    (licence,) = project["license-files"]
    assert "Apache License\n                           Version 2.0" in (ROOT / licence).read_text(encoding="utf-8")
    assert set(project["urls"]) == {"Homepage", "Documentation", "Changelog", "Issues"}
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={versions[0]},<3.{int(versions[-1].partition('.')[2]) + 1}"


def test_make_check_and_commits_run_the_same_local_checks() -> None:
    """All hooks are programs of this machine, and `make check` runs them on all files."""
    subprocess.run([ROOT / ".venv/bin/pre-commit", "validate-config"], cwd=ROOT, check=True)
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["id"] for hook in hooks} >= {"ruff-check", "ruff-format", "mypy", "lint-imports", "generated"}
    for hook in hooks:
        assert hook["language"] == "system"
        assert (ROOT / hook["entry"].split()[0]).exists(), hook["id"]
    planned = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ".venv/bin/pre-commit run --all-files" in planned.stdout


def test_a_commit_that_breaks_a_rule_is_refused(tmp_path: Path) -> None:
    """With the hooks installed, git refuses the commit and names the rule and the file."""

    def git(*command: str) -> subprocess.CompletedProcess[str]:
        settings = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        return subprocess.run(["git", *settings, *command], cwd=tmp_path, capture_output=True, text=True, check=False)

    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "module.py").write_text("import os\n")
    git("init")
    subprocess.run([ROOT / ".venv/bin/pre-commit", "install"], cwd=tmp_path, capture_output=True, check=True)
    git("add", "module.py", ".pre-commit-config.yaml")
    refused = git("commit", "--message", "x")
    assert refused.returncode != 0
    assert "F401" in refused.stdout + refused.stderr
    assert "module.py" in refused.stdout + refused.stderr
    assert not git("log", "--oneline").stdout
