"""scripts/python chooses the Python of the project's environments."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A real Python that reports another version and path.
STAND_IN = """#!/bin/sh
[ "$1" = -c ] || exit 2
exec "{real}" -c "
import sys, sysconfig
sys.version_info, sys._base_executable = ({version}), '$0'
sys.modules.update({{name: None for name in {lacking!r}}})
sys.implementation.name = {implementation!r}
if {free_threaded}:
    sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1
exec(sys.argv[1])" "$2"
"""
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


@pytest.fixture
def machine(tmp_path):
    """A machine without Python; a test adds some, then calls `choose`."""

    class Machine:
        path = tmp_path / "bin"
        pyenv = tmp_path / "pyenv"

        def add(self, place: Path, version: str, *, lacking=(), free_threaded=False, implementation="cpython") -> str:
            text = STAND_IN.format(
                real=sys.executable,
                version=version.replace(".", ","),
                lacking=list(lacking),
                free_threaded=free_threaded,
                implementation=implementation,
            )
            return self.write(place, text)

        @staticmethod
        def write(place: Path, text: str) -> str:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755)
            return str(place)

        def of_pyenv(self, folder: str, version: str, **how) -> str:
            return self.add(self.pyenv / "versions" / folder / "bin" / "python", version, **how)

        def on_path(self, name: str, version: str, **how) -> str:
            return self.add(self.path / name, version, **how)

        def choose(self, python: str | None = None) -> subprocess.CompletedProcess[str]:
            tools = tmp_path / "tools"
            tools.mkdir()
            for tool in ("sh", "find", "sort", "sed", "tail"):
                (tools / tool).symlink_to(next(p for p in (Path("/usr/bin", tool), Path("/bin", tool)) if p.exists()))
            environment = {"PATH": f"{self.path}:{tools}", "HOME": str(tmp_path), "PYENV_ROOT": str(self.pyenv)}
            if python:
                environment["PYTHON"] = python
            return subprocess.run(
                [ROOT / "scripts" / "python"], env=environment, capture_output=True, text=True, check=False
            )

    return Machine()


def test_the_newest_supported_python_is_chosen(machine):
    """3.13 is chosen before 3.12 and 3.11; a version that isn't supported yet is skipped."""
    machine.on_path("python3", "3.14.0")
    machine.on_path("python3.11", "3.11.2")
    newest = machine.on_path("python3.13", "3.13.1")
    machine.on_path("python3.12", "3.12.8")
    assert machine.choose().stdout.strip() == newest


def test_a_python_of_pyenv_is_found_behind_a_shim_that_refuses(machine):
    """The newest of pyenv's patch versions is chosen."""
    machine.write(machine.path / "python3.13", SHIM)
    machine.of_pyenv("3.13.9", "3.13.9")
    newest = machine.of_pyenv("3.13.10", "3.13.10")
    machine.on_path("python3.12", "3.12.8")
    assert machine.choose().stdout.strip() == newest


@pytest.mark.parametrize(
    "how", [{"free_threaded": True}, {"implementation": "pypy"}, {"lacking": ("ensurepip",)}, {"lacking": ("venv",)}]
)
def test_a_python_that_cannot_be_used_is_passed_over(machine, how):
    """A free-threaded build, another implementation, or a Python without `venv` or `ensurepip`, is skipped.

    Compiled libraries have no wheels for the first two.
    """
    machine.on_path("python3.13", "3.13.1", **how)
    older = machine.on_path("python3.11", "3.11.2")
    assert machine.choose().stdout.strip() == older


def test_a_plain_python3_of_a_supported_version_is_found(machine):
    """`python3` is chosen if no command has the version in its name."""
    plain = machine.on_path("python3", "3.12.3")
    assert machine.choose().stdout.strip() == plain


def test_the_variable_python_selects_the_python(machine):
    """The Python that PYTHON names is chosen, even if there is a newer one."""
    machine.on_path("python3.13", "3.13.1")
    older = machine.on_path("python3.11", "3.11.2")
    assert machine.choose(older).stdout.strip() == older


def test_the_variable_may_name_a_version_of_pyenv(machine):
    """The Python of that version is chosen even if pyenv's shim of that name fails."""
    machine.write(machine.path / "python3.12", SHIM)
    chosen = machine.of_pyenv("3.12.1", "3.12.1")
    assert machine.choose("python3.12").stdout.strip() == chosen


@pytest.mark.parametrize(
    ("python", "version", "how", "said"),
    [
        (None, "3.14.0", {}, "found no Python 3.13, 3.12 or 3.11. Install one"),
        (None, "3.13.0", {"lacking": ("venv",)}, "without the modules venv and ensurepip"),
        ("python3", "3.10.1", {}, "PYTHON=python3 is not a Python 3.11, 3.12 or 3.13"),
        ("absent", "3.13.0", {}, "PYTHON=absent is not a Python 3.11, 3.12 or 3.13"),
    ],
)
def test_without_a_usable_python_the_remedy_is_named(machine, python, version, how, said):
    """The command ends with 1, prints no path, and says what to do on standard error."""
    machine.on_path("python3", version, **how)
    outcome = machine.choose(python)
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert said in outcome.stderr


def test_the_python_of_an_active_environment_is_not_the_environments_own():
    """The active environment's base Python is chosen, because replacing that environment deletes its Python."""
    environment = os.environ | {"PYTHON": sys.executable}
    chosen = subprocess.run(
        [ROOT / "scripts" / "python"], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    asked = [chosen, "-c", "import sys; print(sys.prefix == sys.base_prefix)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.fixture
def checkout(tmp_path):
    """A copy of the scripts that make environments, with a development environment that is up to date."""
    folder = tmp_path / "checkout"
    for name in ("scripts", "requirements", "client"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("model", "serving", "src/customer_risk"):
        (folder / name).mkdir(parents=True)
    (folder / "src/customer_risk/__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    locked = "cat requirements/dev.txt requirements/uv.txt pyproject.toml client/pyproject.toml | sha256sum"
    hashed = subprocess.run(["sh", "-c", locked], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    (folder / ".venv" / ".installed").write_text(f"Python {platform.python_version()} {hashed}")
    return folder


def environment(checkout: Path, folder: str, lock: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/environment. It can't install anything."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHON"} | {"PIP_NO_INDEX": "1"}
    command = [checkout / "scripts" / "environment", folder, lock]
    return subprocess.run(command, env=surroundings | variables, capture_output=True, text=True, check=False)


def test_an_up_to_date_environment_is_left_unchanged(checkout):
    """The script prints nothing and changes nothing."""
    outcome = environment(checkout, ".venv", "requirements/dev.txt")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_another_environment_never_replaces_the_one_for_development(checkout, machine):
    """An environment of another Python is replaced; the development environment, in which tests run, is not."""
    kept = (checkout / ".venv" / ".installed").read_text()
    machine.add(
        checkout / ".venv-serving" / "bin" / "python", "3.12.1" if sys.version_info[:2] != (3, 12) else "3.13.1"
    )
    outcome = environment(checkout, ".venv-serving", "requirements/serving.txt")
    assert outcome.returncode != 0  # nothing can be installed here
    assert (checkout / ".venv" / ".installed").read_text() == kept
    assert "setting up .venv with" not in outcome.stdout


@pytest.mark.parametrize("installed", ["", "Python 3.11.0 of another day"])
def test_an_environment_of_another_python_or_lock_is_set_up_again(checkout, installed):
    """The script prints the Python that it uses."""
    (checkout / ".venv" / ".installed").write_text(installed)
    outcome = environment(checkout, ".venv", "requirements/dev.txt")
    assert f"setting up .venv with Python {platform.python_version()} (" in outcome.stdout
