"""`customer-risk offboarding sign`, `approve` and `status` over one run, as people use them."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import jwt
import openpyxl
import polars as pl
import pytest

from customer_risk.model.cli.offboarding import offboarding, score
from customer_risk.model.errors import ConfigError, SignOffError
from customer_risk.model.offboarding.record import read_run
from tests.model.offboarding.commands import run

ISSUER, AUDIENCE = "https://issuer.example/", "sign-off"


@pytest.fixture(scope="module")
def keys(key_set, tmp_path_factory):
    """The issuer's key set in a file."""
    path = tmp_path_factory.mktemp("issuer") / "jwks.json"
    path.write_bytes(key_set)
    return path


@pytest.fixture(scope="module")
def made(tiny_bundle, synthetic, keys, tmp_path_factory):
    """A run that requires a second approver, by its configuration."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "bank.yaml").write_text(
        "sign_off:\n  second_approver: true\n  approvers: [Bob Example, Eve Example]\n"
        f"  token: {{issuer: '{ISSUER}', audience: {AUDIENCE}, jwks: '{keys}'}}\n"
    )
    run(score, tiny_bundle, synthetic, "--out", folder / "out", "--config", folder / "bank.yaml")
    return folder / "out"


@pytest.fixture
def token_file(rsa_key, tmp_path):
    """Write a person's token to a file."""

    def write(name, subject):
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "sub": subject, "name": name}
        path = tmp_path / subject
        path.write_text(jwt.encode(claims, rsa_key, "RS256", {"kid": "rsa"}))
        return path

    return write


def filled_in(made, tmp_path, *lines, name="Ann Example", **more):
    """Fill in some lines of the run's workbook; return the file."""
    book = openpyxl.load_workbook(io.BytesIO((made / "offboarding.xlsx").read_bytes()))
    sheet = book["offboarding"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for column, _ in enumerate(more, start=sheet.max_column + 1):
        sheet.cell(1, column).value = list(more)[column - len(columns) - 1]
        columns[sheet.cell(1, column).value] = column
    cells = {"decision": "keep", "name": name, "date": datetime.now(UTC).date(), "note": "Known", **more}
    for line in lines:
        for cell, value in cells.items():
            sheet.cell(line + 1, columns[cell]).value = value
    path = tmp_path / "filled.xlsx"
    book.save(path)
    return path


def test_one_line_is_written_in_the_singular(made, tmp_path):
    """One line and one decision are written without a plural."""
    kept = ("--out", tmp_path / "kept")
    said = run(
        offboarding, "sign", filled_in(made, tmp_path, 1), "--scores", made, *kept, "--partial", "--by", "Ann Example"
    )
    assert "waiting for a second approver: line 1 (receipt 1)" in said
    said = run(offboarding, "approve", made, *kept, "--by", "Eve Example")
    assert "1 decision of receipt 1, line 1 (receipt 2)" in said


def test_from_a_workbook_to_a_four_eyes_sign_off(made, tmp_path, token_file):
    """Two parts are signed and approved by another person with a token, and each step prints the open lines."""
    count = pl.read_parquet(made / "offboarding.parquet").height
    kept = ("--out", tmp_path / "kept")
    ann, bob = token_file("Ann Example", "u-1"), token_file("Bob Example", "u-2")
    said = run(offboarding, "status", made, *kept)
    assert said.startswith(f"0 of {count} lines decided, {count} open\n  open: lines 1-{count}\n")
    assert f"a second approver, Bob Example, Eve Example; tokens of {ISSUER} accepted" in said

    first = filled_in(made, tmp_path, 1, 2, mood="ask Eve")
    said = run(offboarding, "sign", first, "--scores", made, *kept, "--partial", "--token-file", ann)
    assert "Signed off: off-board 0, keep 2, review-again 0; decided by Ann Example (2)" in said
    assert "handed in by Ann Example (verified)" in said
    assert "kept as comments: the columns mood" in said
    assert f"2 of {count} lines decided, {count - 2} open" in said
    assert "names: 2 verified, 0 claimed" in said
    assert "waiting for a second approver: lines 1-2 (receipt 1)" in said
    assert f"open: lines 3-{count}" in said

    rest = filled_in(made, tmp_path, *range(3, count + 1), name="Dan Example")
    said = run(offboarding, "sign", rest, "--scores", made, *kept, "--partial", "--by", "Eve Example")
    assert "handed in by Eve Example (claimed)" in said
    assert f"{count} of {count} lines decided, 0 open" in said
    assert f"waiting for a second approver: lines 1-{count} (receipts 1, 2)" in said

    said = run(offboarding, "approve", made, *kept, "--by", "Eve Example")
    assert "Approved by Eve Example (claimed): 2 decisions of receipt 1, lines 1-2 (receipt 3)" in said
    assert f"another approver is needed for lines 3-{count}, which Eve Example decided or handed in" in said

    said = run(offboarding, "approve", made, *kept, "--receipt", 2, CUSTOMER_RISK_TOKEN_FILE=str(bob))
    assert f"Approved by Bob Example (verified): {count - 2} decisions of receipt 2" in said
    said = run(offboarding, "status", made, *kept)
    assert "waiting" not in said
    assert f"{count} of {count} lines decided, 0 open" in said
    assert f"names: 2 verified, {count - 2} claimed" in said


def test_run_keeps_the_rules_of_its_configuration(made):
    """run.json has the rules, so that a signer can't leave them out."""
    rules = read_run(made).rules
    assert rules.second_approver
    assert rules.approvers == ("Bob Example", "Eve Example")


def test_person_who_may_not_approve_is_refused(made, tmp_path):
    """The run names the people who may approve."""
    with pytest.raises(SignOffError, match=r"Dan Example \(claimed\) isn't among the approvers"):
        run(offboarding, "approve", made, "--out", tmp_path, "--by", "Dan Example")


def test_impossible_rules_are_refused_before_any_work(tiny_bundle, synthetic, tmp_path):
    """A run is refused if its rules of sign-off can't be fulfilled."""
    (tmp_path / "bank.yaml").write_text("sign_off: {approvers: [Bob Example]}")
    with pytest.raises(ConfigError, match="second_approver is false"):
        run(score, tiny_bundle, synthetic, "--out", tmp_path / "out", "--config", tmp_path / "bank.yaml")
    assert not (tmp_path / "out").exists()


def test_status_of_a_tampered_folder_is_refused(made, tmp_path):
    """Each command refuses a receipt that was altered."""
    (tmp_path / "0001.receipt.json").write_text("{}")
    with pytest.raises(SignOffError, match=r"0001\.receipt\.json can't be read"):
        run(offboarding, "status", made, "--out", tmp_path)
