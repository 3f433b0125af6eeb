"""Subcommands declare their options, and import their code only when they run."""

from __future__ import annotations

import inspect
import subprocess
import sys
from contextlib import suppress
from importlib import import_module

import click
import pytest

from customer_risk.model.cli import loading
from customer_risk.model.cli.main import customer_risk

SLOW = ("numpy", "numba", "polars", "rich", "duckdb", "sklearn", "kserve", "prometheus_client", "google.cloud", "grpc")


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command below a group, by its words."""
    found = {}
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        words = (*path, name)
        found |= _commands(command, words) if isinstance(command, click.Group) else {" ".join(words): command}
    return found


COMMANDS = _commands(customer_risk)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_subcommand_passes_its_options_to_a_function_that_takes_them(monkeypatch, name) -> None:
    """The function exists where the declaration says, and has a parameter for each argument and option."""
    called = []

    def load(where: str):
        module, _, function = where.partition(":")
        called.append(getattr(import_module(module), function))
        return lambda **given: called.append(given)

    monkeypatch.setattr(loading, "load", load)
    command = COMMANDS[name]
    with click.Context(command), suppress(SystemExit):
        command.callback(**{each.name: None for each in command.params})
    function, given = called
    if not hasattr(function, "__wrapped__"):  # else a decorator takes some of them
        inspect.signature(function).bind(**given)


def test_help_of_every_subcommand_imports_nothing_slow() -> None:
    """`--help` is fast, and works in an install without training's or serving's libraries."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({SLOW!r}))\n"
        "from click.testing import CliRunner\n"
        "from customer_risk.model.cli.main import customer_risk\n"
        f"for words in {[[], *(name.split() for name in COMMANDS)]!r}:\n"
        "    shown = CliRunner().invoke(customer_risk, [*words, '--help'])\n"
        "    assert shown.exit_code == 0, (words, shown.exception)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_function_is_found_by_its_module_and_name() -> None:
    """A function is found by its module and name, and its result is returned."""
    assert loading.run("json:dumps", obj=[1]) == "[1]"
