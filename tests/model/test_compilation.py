"""Where compiled code comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from customer_risk.model import compilation, features
from customer_risk.model.compilation import sources_digest
from customer_risk.model.errors import ConfigError
from customer_risk.model.features.kernel import compute
from customer_risk.model.patterns import search

MODULE = """
from customer_risk.model.compilation import compile_kept, counts, target

def double(x):
    return 2 * x

double = compile_kept(double)
print(target(), double(21), counts.loaded, counts.compiled, counts.lost)
"""


@pytest.fixture
def run(tmp_path):
    """Run a module with one compiled function in a process of its own, on a CPU that LLVM takes for another."""
    (tmp_path / "doubling.py").write_text(MODULE)

    def run_one(cpu: str = "", *, level: str = "", lacking: str = "") -> str:
        code = (
            "import llvmlite.binding as b\n"
            f"b.get_host_cpu_name = lambda: {cpu!r} or 'znver3'\n"
            f"found = b.get_host_cpu_features(); found.pop({lacking!r}, None)\n"
            "b.get_host_cpu_features = lambda: found\n"
            "import doubling\n"
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        environment |= {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "CUSTOMER_RISK_CPU": level, "NUMBA_CPU_NAME": cpu}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        return done.stdout.strip()

    return run_one


@pytest.mark.compiled
def test_code_kept_on_one_cpu_is_used_on_another(run) -> None:
    """Whatever the host's CPU is called, and whatever Numba's own variable says of it."""
    assert run("skylake") == "x86-64-v3 42 0 1 0"
    assert run("znver2") == "x86-64-v3 42 1 0 0"


@pytest.mark.compiled
def test_a_cpu_below_the_level_gets_code_for_any(run) -> None:
    """It is compiled, rather than run into an instruction that isn't there."""
    assert run(lacking="avx2") == "generic 42 0 1 0"


@pytest.mark.compiled
def test_native_is_left_to_numba(run) -> None:
    """Code for the CPU at hand, of no use to another."""
    assert run("haswell", level="native") == "native 42 0 1 0"
    assert run("skylake", level="native") == "native 42 0 1 0"


@pytest.mark.compiled
def test_where_nothing_can_be_written_it_is_compiled_and_said(run, tmp_path) -> None:
    """A place that is there and can't take a file: the function works, and its loss is counted."""
    version = f"py{sys.version_info[0]}{sys.version_info[1]}"
    (tmp_path / "__pycache__" / f"doubling.double-4.{version}.nbi").mkdir(parents=True)  # where a file should stand
    assert run() == "x86-64-v3 42 0 1 1"


@pytest.fixture
def anew(monkeypatch):
    """Choose the target anew, and leave the process's own as it is."""
    monkeypatch.setenv("NUMBA_CPU_NAME", os.environ.get("NUMBA_CPU_NAME", ""))
    monkeypatch.setenv("NUMBA_CPU_FEATURES", os.environ.get("NUMBA_CPU_FEATURES", ""))
    return compilation.target.__wrapped__


def test_an_unknown_level_is_refused(anew, monkeypatch) -> None:
    """The message names the variable and the words that it takes."""
    monkeypatch.setenv("CUSTOMER_RISK_CPU", "fast")
    with pytest.raises(ConfigError, match=r"CUSTOMER_RISK_CPU is 'fast', .*\. Set it to x86-64-v3, generic or"):
        anew()


def test_a_level_that_the_cpu_lacks_is_refused(anew, monkeypatch) -> None:
    """Asked for by name, it isn't quietly something else."""
    monkeypatch.setenv("CUSTOMER_RISK_CPU", "x86-64-v3")
    monkeypatch.setattr(compilation.binding, "get_host_cpu_features", dict)
    with pytest.raises(ConfigError, match=r"this CPU lacks sse3, .*avx2"):
        anew()


def test_another_architecture_gets_code_for_any_of_its_own(anew, monkeypatch) -> None:
    """The level is one of x86-64."""
    monkeypatch.delenv("CUSTOMER_RISK_CPU", raising=False)
    monkeypatch.setattr(compilation.binding, "get_process_triple", lambda: "aarch64-unknown-linux-gnu")
    assert anew() == "generic"


def test_any_changed_source_below_the_folders_changes_the_digest(tmp_path):
    """A digest covers the Python sources of all folders and their subfolders, and no other file."""
    (tmp_path / "one" / "below").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    source, other = tmp_path / "one" / "below" / "rows.py", tmp_path / "two" / "search.py"
    source.write_text("a = 1\n")
    other.write_text("b = 1\n")
    folders = (tmp_path / "one", tmp_path / "two")
    digests = [sources_digest(*folders)]
    (tmp_path / "two" / "notes.txt").write_text("nothing that is compiled")
    assert sources_digest(*folders) == digests[0]
    for each in (source, other):
        each.write_text("c = 2\n")
        digests.append(sources_digest(*folders))
    assert len(set(digests)) == 3


@pytest.mark.parametrize("entry", [compute._entry, search.entry])
def test_kept_entries_have_the_digest_of_their_sources_in_their_key(entry):
    """Numba keeps an entry by its closure: with another digest, the kept code isn't used."""
    function = entry()
    cells = [cell.cell_contents for cell in getattr(function, "py_func", function).__closure__]
    folders = [Path(features.__file__).parent]
    if entry is search.entry:
        folders.append(Path(search.__file__).parent)
    assert any(isinstance(each, str) and each.startswith(sources_digest(*folders)) for each in cells)
