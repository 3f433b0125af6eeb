"""`customer-risk registry`, as a person uses it."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from customer_risk.model.cli.registry import registry
from customer_risk.model.errors import RegistryError


@pytest.fixture
def run(tmp_path):
    """Run a subcommand on a registry in a temporary folder; return its output."""

    def _run(*arguments: object) -> str:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(registry, words, env={"CUSTOMER_RISK_REGISTRY": str(tmp_path / "registry")})
        if isinstance(result.exception, RegistryError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return _run


def test_walk_through_add_promote_rollback_list_and_resolve(run, bundles):
    """The subcommands do what the guide says."""
    first, second = run("add", bundles[0]).strip(), run("add", bundles[1]).strip()
    run("promote", first[:12], "--why", "the first", "--by", "ann")
    run("promote", second[:12], "--alias", "challenger", "--why", "trying", "--by", "ann")
    assert f"champion is now {second}" in run("promote", "challenger", "--why", "it won", "--by", "ben")
    assert f"champion is now {first}" in run("rollback", "--why", "alerts", "--by", "ann")
    assert run("resolve", "champion") == f"{first}\n"
    table = run("list")
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        [first[:16], "champion"],
        [second[:16], "previous"],
    ]
    history = run("list", "--history").splitlines()
    assert [line.split()[1] for line in history[1:]] == ["add", "add", "promote", "promote", "promote", "rollback"]
    assert "it won" in history[5]


def test_json_list_has_full_hashes(run, bundles):
    """The JSON output has full hashes."""
    version = run("add", bundles[0]).strip()
    assert json.loads(run("list", "--json"))[0]["version"] == version
    assert json.loads(run("list", "--history", "--json"))[0]["bundle"] == version


def test_author_is_the_login_name_and_the_time_is_utc(run, bundles):
    """The author and the time of a change have defaults."""
    before = datetime.now(UTC).replace(microsecond=0)
    run("add", bundles[0])
    line = json.loads(run("list", "--history", "--json"))[0]
    assert line["by"] == getpass.getuser()
    assert before <= datetime.fromisoformat(line["at"]) <= datetime.now(UTC)


def test_user_without_a_login_name_must_give_a_name(run, bundles, monkeypatch):
    """A user without a login name, as in a container, must give --by."""

    def nobody() -> str:
        raise OSError("no user name")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(RegistryError, match="Give your name with --by"):
        run("add", bundles[0])


@pytest.mark.parametrize("words", [("promote", "abcd"), ("rollback",)])
def test_change_of_alias_asks_for_its_reason(words):
    """--why has no default."""
    result = CliRunner().invoke(registry, [*words])
    assert result.exit_code == 2
    assert "Missing option '--why'" in result.output


def test_empty_registry_lists_itself_as_empty(run):
    """The list of an empty registry says how to add a bundle."""
    assert "registry add BUNDLE" in run("list")


def test_promoting_what_is_champion_says_that_nothing_changed(run, bundles):
    """A repeated promotion changes nothing and says so."""
    run("add", bundles[0])
    version = run("list", "--json")
    run("promote", json.loads(version)[0]["version"], "--why", "first")
    assert "already; nothing changed" in run("promote", "champion", "--why", "again")


def test_cut_off_adding_is_shown_as_such(run, bundles, tmp_path):
    """A bundle without an entry in the history is listed as such."""
    run("add", bundles[0])
    (tmp_path / "registry" / "aliases.json").unlink()
    assert "not in the history" in run("list")


def test_a_reason_cannot_forge_a_row(run, bundles):
    """A name or reason stays within its row and is printed without control characters, whatever it contains."""
    run("add", bundles[0], "--why", "x\nforged\x1b[2J\u202e", "--by", "ann\u2028")
    for shown in (run("list"), run("list", "--history")):
        assert len(shown.rstrip("\n").split("\n")) == len(run("list").rstrip("\n").split("\n"))
        assert not set(shown) & set("\x1b\u202e\u2028")
    assert not set(run("list", "--json")) & set("\x1b\u202e\u2028")
