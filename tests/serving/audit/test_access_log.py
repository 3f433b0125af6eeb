"""The access log records who reads which decision, before the decision is shown."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.manifest import digest


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the stored record, which the test may change."""
    shutil.copytree(stored, tmp_path / "own")
    return tmp_path / "own"


def lines(path) -> list[dict]:
    """Return the decoded lines of an access log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("command", ["show", "list", "list a time", "replay", "replay a time", "export", "erase"])
def test_every_command_that_reads_decisions_is_logged(run, own, records, registry, tmp_path, command) -> None:
    """Each command logs who reads, when, with which command, and which decisions or which customer's."""
    log, record = tmp_path / "access.log", records[7][0]
    theirs = sorted(each.record_id for each, _ in records if each.customer_id == "c-7")
    everyone = sorted(each.record_id for each, _ in records)
    words = {
        "show": ["show", record.record_id],
        "list": ["list", "--customer", "c-7"],
        "list a time": ["list", "--since", "2027-01-15"],
        "replay": ["replay", record.record_id, "--registry", registry],
        "replay a time": ["replay", "--since", "2027-01-15", "--registry", registry],
        "export": ["export", "c-7", "--to", tmp_path / "export"],
        "erase": ["erase", "c-7", "--why", "request 12", "--yes"],
    }[command]
    assert run(*words, "--from", own, "--by", "auditor", "--access-log", log).exit_code == 0
    (line,) = lines(log)
    assert (line["operator"], line["command"], line["places"]) == ("auditor", command.split()[0], [str(own)])
    assert line["time"].endswith("+00:00")
    decisions = {"show": [record.record_id], "replay": [record.record_id], "list": theirs, "export": theirs}
    decisions |= {"list a time": everyone, "replay a time": everyone}
    assert sorted(line.get("decisions", [])) == decisions.get(command, [])
    asked_by_customer = command in {"list", "export", "erase"}
    assert line.get("customers", []) == ([digest(b"c-7")] if asked_by_customer else [])


def test_lines_are_appended(run, own, records, tmp_path) -> None:
    """A second command appends its line, and the first line stays."""
    for number in range(3):
        run("show", records[number][0].record_id, "--from", own, "--access-log", tmp_path / "access.log")
    assert [each["decisions"] for each in lines(tmp_path / "access.log")] == [
        [record.record_id] for record, _ in records[:3]
    ]


def test_the_configuration_names_the_file(run, own, records, tmp_path) -> None:
    """The option and the environment variable override the file of the configuration."""
    log = tmp_path / "configured.log"
    (tmp_path / "serving.yaml").write_text(
        f"record: {{enabled: true, folder: {tmp_path}/outbox, access_log: {log}, "
        f"ship: {{sinks: [{{type: folder, path: {own}}}]}}}}\n"
    )
    asked = ("show", records[0][0].record_id, "--config", tmp_path / "serving.yaml")
    run(*asked)
    assert len(lines(log)) == 1
    run(*asked, "--access-log", tmp_path / "option.log")
    run(*asked, env={"CUSTOMER_RISK_ACCESS_LOG": str(tmp_path / "environment.log")})
    assert len(lines(log)) == len(lines(tmp_path / "option.log")) == len(lines(tmp_path / "environment.log")) == 1


def test_without_a_file_the_line_goes_to_standard_error(run, own, records) -> None:
    """Without a file, the line goes to standard error, and standard output has only the record."""
    result = run("show", records[0][0].record_id, "--from", own, "--by", "auditor")
    assert json.loads(result.stderr)["operator"] == "auditor"
    assert "record read" not in result.stdout


def test_an_access_that_cant_be_logged_shows_no_record(run, own, records, tmp_path) -> None:
    """If the log can't be written, the command fails and prints no record."""
    result = run("show", records[0][0].record_id, "--from", own, "--access-log", tmp_path / "nowhere" / "access.log")
    assert isinstance(result.exception, ConfigError)
    assert records[0][0].record_id not in result.output


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_without_standard_error_nothing_is_shown(own, records, redirected) -> None:
    """If standard error is closed or full, the command fails and prints no record; if closed, the error says so."""
    code = "from customer_risk.model.cli.main import main; main()"
    words = ["audit", "show", records[0][0].record_id, "--from", str(own), "--by", "auditor"]
    line = f"{shlex.join([sys.executable, '-c', code, *words])} {redirected}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=600, check=False)
    assert records[0][0].record_id not in done.stdout
    if redirected == "2>&-":
        assert done.returncode == 2
        assert "standard error is closed" in done.stdout
    else:
        assert done.returncode


def test_a_full_disk_shows_nothing(run, own) -> None:
    """If the disk is full, the command fails and prints no record."""
    result = run("list", "--customer", "c-7", "--from", own, "--access-log", "/dev/full")
    assert isinstance(result.exception, ConfigError)
    assert result.stdout == ""


def test_a_reader_must_have_a_name(run, own, records) -> None:
    """A command whose reader has no name is refused, and the error says to use --by."""
    result = run("show", records[0][0].record_id, "--from", own, "--by", " ")
    assert isinstance(result.exception, ConfigError)
    assert "--by" in str(result.exception)
