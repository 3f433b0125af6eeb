"""The command: its help, and how errors leave it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from customer_risk.model.cli import main as cli
from customer_risk.model.errors import TableMissing


def test_help_names_every_subcommand_with_a_sentence() -> None:
    """`customer-risk --help` lists each subcommand with what it does."""
    shown = CliRunner().invoke(cli.customer_risk, ["--help"])
    assert shown.exit_code == 0, shown.output
    for name in cli.Commands().list_commands(click.Context(cli.customer_risk)):
        row = next(line for line in shown.output.splitlines() if line.strip().startswith(name))
        assert len(row.split()) > 3


def test_an_unknown_subcommand_is_refused() -> None:
    """A subcommand that doesn't exist is named and refused."""
    shown = CliRunner().invoke(cli.customer_risk, ["fly"])
    assert shown.exit_code == 2
    assert "fly" in shown.output


def test_our_errors_become_one_message_and_exit_code_two(tmp_path: Path) -> None:
    """A missing table ends the command with one message, no traceback and exit code 2."""
    done = subprocess.run(
        [Path(sys.executable).with_name("customer-risk"), "check", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_says_what_to_do_next() -> None:
    """Each error carries its problem and its remedy."""
    error = TableMissing("users.csv isn't there.", remedy="Put it there.")
    assert str(error) == "users.csv isn't there. Put it there."
    assert (error.problem, error.remedy) == ("users.csv isn't there.", "Put it there.")


@pytest.mark.parametrize(("missing", "ours"), [("polars", True), ("customer_risk.nothing", False)])
def test_a_missing_library_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str, ours: bool
) -> None:
    """A library that isn't installed is answered with the extra to install; a fault of our own is not hidden so."""

    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(cli, "customer_risk", fail)
    with pytest.raises(SystemExit if ours else ModuleNotFoundError):
        cli.main()
    assert ("customer-risk[training]" in capsys.readouterr().err) is ours


def test_only_the_user_can_read_tables_and_all_can_read_a_registry(tmp_path: Path, bundle: Path) -> None:
    """Only the user who runs a command can read its files, except those of commands whose files others read."""
    made = {
        tmp_path / "tables": ["synth", tmp_path / "tables", "--customers", "20"],
        tmp_path / "registry": ["registry", "add", bundle, "--registry", tmp_path / "registry"],
    }
    modes = {}
    for folder, words in made.items():
        command = [Path(sys.executable).with_name("customer-risk"), *words]
        subprocess.run(command, check=True, capture_output=True, umask=0o022)
        modes[folder.name] = {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}
    assert modes["tables"] == {0}
    assert 0 not in modes["registry"]


def test_a_file_name_in_a_message_is_one_line(tmp_path: Path) -> None:
    """The name of a file can't make another line in an error, or send a command to the terminal."""
    done = subprocess.run(
        [Path(sys.executable).with_name("customer-risk"), "check", tmp_path / "x\nforged: \x1b[2J\u202e"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "x\\u000aforged: \\u001b[2J\\u202e is not a folder." in done.stderr
    assert len(done.stderr.splitlines()) == 1
