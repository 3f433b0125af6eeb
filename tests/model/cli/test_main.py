"""The command: its help, and its messages for errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from customer_risk.model.cli import main as cli
from customer_risk.model.errors import TableMissing


@pytest.mark.parametrize("group", ["", "audit", "offboarding", "registry"])
def test_help_has_a_whole_sentence_for_every_subcommand(group: str) -> None:
    """Each group's help lists every subcommand with a sentence that fits a line of 80 columns."""
    shown = CliRunner().invoke(cli.customer_risk, [*group.split(), "--help"], terminal_width=80)
    assert shown.exit_code == 0, shown.output
    rows = shown.output.partition("Commands:\n")[2].splitlines()
    command = cli.customer_risk.get_command(click.Context(cli.customer_risk), group) if group else cli.customer_risk
    assert [row.split()[0] for row in rows] == sorted(command.list_commands(click.Context(command)))
    assert all(row.endswith(".") and not row.endswith("...") for row in rows), shown.output


def test_an_unknown_subcommand_is_refused() -> None:
    """A subcommand that doesn't exist is named and refused."""
    shown = CliRunner().invoke(cli.customer_risk, ["fly"])
    assert shown.exit_code == 2
    assert "fly" in shown.output


@pytest.mark.parametrize(
    ("name", "shown"), [("nowhere", "nowhere"), ("x\nforged: \x1b[2J\u202e", "x\\u000aforged: \\u001b[2J\\u202e")]
)
def test_an_error_is_one_line_and_exit_code_two(tmp_path: Path, name: str, shown: str) -> None:
    """The name of a file can't add a line to a message or send a command to the terminal; there is no traceback."""
    command = Path(sys.executable).with_name("customer-risk")
    done = subprocess.run([command, "check", tmp_path / name], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{shown} is not a folder." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_says_what_to_do_next() -> None:
    """Each error has its problem and its remedy."""
    error = TableMissing("users.csv is missing.", remedy="Add it.")
    assert str(error) == "users.csv is missing. Add it."
    assert (error.problem, error.remedy) == ("users.csv is missing.", "Add it.")


@pytest.mark.parametrize(("missing", "ours"), [("polars", True), ("customer_risk.nothing", False)])
def test_a_missing_library_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str, ours: bool
) -> None:
    """The message about a missing library names the extra to install; an error in our own code isn't hidden."""

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
