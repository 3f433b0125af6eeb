"""The recipe of the image; tests/e2e/test_image.py tests the image itself."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RECIPES = [
    ROOT / "serving/Dockerfile",
    ROOT / "tests/e2e/emulators/Dockerfile",
    ROOT / "benchmarks/stock-image/Dockerfile",
]


def _lines(recipe: Path) -> list[str]:
    """The instructions of a recipe, one in each line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", recipe.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def _locked(name: str) -> set[str]:
    """Return the packages of a lock file with their versions."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", text, re.MULTILINE))


def _script(name: str):
    """Import one of scripts/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / "image" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_recipe_installs_nothing_but_what_a_lock_pins_by_hash(recipe) -> None:
    """Each `pip install` reads a lock with hashes, or the wheel that was just built, without an index."""
    installs = re.findall(r"pip (?:--python \S+ )?install [^&|]*", " ".join(_lines(recipe)))
    assert installs
    for each in installs:
        assert "--require-hashes -r requirements/" in each or ("--no-index" in each and "--no-deps" in each), each


def test_recipe_needs_no_buildkit_and_runs_as_a_numeric_user_without_a_shell() -> None:
    """The legacy builder accepts the recipe; its user is a number other than 0; PID 1 is the command."""
    lines = _lines(ROOT / "serving/Dockerfile")
    assert not [line for line in lines if "--mount" in line or line.startswith("ADD ") or "<<" in line]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    (entry,) = (line.removeprefix("ENTRYPOINT ") for line in lines if line.startswith("ENTRYPOINT "))
    assert json.loads(entry) == ["/opt/customer-risk/bin/customer-risk"]
    assert not [line for line in lines if line.startswith("CMD ")]


def test_image_lock_is_the_google_lock_without_what_nothing_imports() -> None:
    """The image has the packages of the tested lock, except those that the script of the locks excludes."""
    said = re.search(r'without="([^"]+)"', (ROOT / "scripts/lock").read_text(encoding="utf-8"))
    left_out = {each.partition("==")[0] for each in _locked("google") - _locked("image")}
    assert _locked("image") <= _locked("google")
    assert left_out == set(said[1].split())


@pytest.mark.parametrize(
    "path", ["tables/users.csv", ".git/config", "build/x", "tests/conftest.py", ".env", "registry/x"]
)
def test_the_build_context_has_only_the_named_files(path) -> None:
    """The build context has only the named files: no table, secret or history."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    assert not [rule for rule in rules if rule.startswith("!") and path.startswith(rule[1:].split("*")[0])]


def test_the_page_of_licences_has_every_package() -> None:
    """The page of licences has each package with its version and licence, and is current."""
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| (.+) \|$", page, re.MULTILINE)
    assert {f"{name}=={version}" for name, version, _ in rows} == _locked("image")
    assert not [name for name, _, licence in rows if not licence.strip()]
    assert _script("licences").page() == page


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("opt/customer-risk/lib/python3.13/site-packages/numpy/_core/x.so", "numpy"),
        ("opt/customer-risk/lib/python3.13/site-packages/numpy.libs/libgfortran.so.5", "numpy"),
        ("opt/customer-risk/lib/python3.13/site-packages/_duckdb.cpython-313-x86_64-linux-gnu.so", "duckdb"),
        ("opt/customer-risk/lib/python3.13/site-packages/_duckdb.abi3.so", "duckdb"),
        ("opt/customer-risk/lib/python3.13/site-packages/kserve-0.21.0.dist-info/RECORD", "kserve"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib"),
    ],
)
def test_report_counts_a_package_with_its_libraries_and_metadata(path, part) -> None:
    """The size report counts a package's libraries and metadata with the package."""
    assert _script("report").part_of(path) == part


def test_report_names_files_that_are_in_several_layers(tmp_path) -> None:
    """The size report counts a file once for each layer that has it, and names the files that several layers have."""
    for layer, names in {"first": ["opt/a", "opt/b"], "second": ["opt/b", "usr/c"]}.items():
        with tarfile.open(tmp_path / layer, "w") as files:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size = 1_000_000
                files.addfile(entry, io.BytesIO(bytes(entry.size)))
    (tmp_path / "manifest.json").write_text(json.dumps([{"Layers": ["first", "second"]}]))
    with tarfile.open(tmp_path / "image.tar", "w") as image:
        for name in ("manifest.json", "first", "second"):
            image.add(tmp_path / name, name)
    engine = tmp_path / "docker"  # `docker save --output FILE IMAGE`
    engine.write_text(f'#!/bin/sh\ncp "{tmp_path}/image.tar" "$3"\n')
    engine.chmod(0o755)
    found = _script("report").report("image", str(engine))
    assert found["in_several_layers"] == ["opt/b"]
    assert found["unpacked_mb"] == 4
    assert found["largest_mb"] == {"/opt/b": 2, "/opt/a": 1, "/usr/c": 1}


def test_second_layer_has_the_added_and_changed_files_whatever_the_clock_says(tmp_path) -> None:
    """The second layer has the files that were added or changed after the list, and no file that only seems newer."""
    environment, before, out = tmp_path / "environment", tmp_path / "before", tmp_path / "out"
    (environment / "lib").mkdir(parents=True)
    for name in ("same", "changed", "a name\\with 'signs"):
        (environment / "lib" / name).write_text("x")
    tomorrow = time.time() + 86_400  # the clock went back by a day after the first layer
    os.utime(environment / "lib" / "same", (tomorrow, tomorrow))
    layer = ROOT / "scripts" / "image" / "layer"
    before.write_bytes(subprocess.run([layer, "list", environment], check=True, capture_output=True).stdout)
    (environment / "lib" / "changed").write_text("longer")
    (environment / "lib" / "added \\file").write_text("x")
    (environment / "lib" / "link").symlink_to("same")
    subprocess.run([layer, "copy", environment, before, out], check=True)
    copied = {path.name for path in (out / environment.relative_to("/") / "lib").iterdir()}
    assert copied == {"changed", "added \\file", "link"}


@pytest.mark.parametrize("script", ["build", "trim", "compile", "layer"])
def test_scripts_are_valid_and_show_their_usage(script) -> None:
    """Shell scripts are valid, and stop at their first error."""
    path = ROOT / "scripts" / "image" / script
    subprocess.run(["bash", "-n", path], check=True)
    assert "set -euo pipefail" in path.read_text(encoding="utf-8")
