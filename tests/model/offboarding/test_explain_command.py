"""`customer-risk explain`."""

from __future__ import annotations

import polars as pl
import pytest

from customer_risk.model.cli.offboarding import explain
from customer_risk.model.errors import ConfigError
from tests.model.offboarding.commands import run as run_command


def run(*words):
    """Explain a customer."""
    return run_command(explain, *words)


@pytest.fixture(scope="module")
def customers(scored):
    """A customer of each list; the key "" is a customer on no list."""
    return dict(scored.table.group_by("list").agg(pl.col("customer_id").first()).iter_rows())


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("off-boarding", "Off-boarding is proposed: the segment is High, and "),
        ("review: high without corroboration", "To review: the segment is High, but no patterns were found"),
        ("review: medium", "To review: the segment is Medium."),
        ("", "No action: the segment is Low"),
    ],
)
def test_terminal_says_why_and_why_not(tiny_bundle, synthetic, scored, customers, on, said):
    """The output has the action, the distances, the profile, the reasons, every pattern and the certainty."""
    told = run(tiny_bundle, synthetic, customers[on])
    assert said in told
    for heading in ("begins at", "Profile", "History", "What raises the score", "What lowers the score", "The rule"):
        assert heading in told
    for name in ("Country of residence", "Occupation", "KYC state"):
        assert f"{name}: " in told
    lines = told.splitlines()
    assert len(lines) <= 70
    assert max(map(len, lines)) <= 120
    assert sum(code in told for code in scored.criteria.rule.patterns) == 7
    assert ("FOUND  " in told) is bool(scored.table.filter(customer_id=customers[on])["patterns"].item())


def test_page_has_the_card_and_every_pattern(tiny_bundle, synthetic, customers, tmp_path):
    """Only the user can read the page, and it has the facts that the terminal shows."""
    page = tmp_path / "customer.html"
    told = run(tiny_bundle, synthetic, customers[""], "--out", page)
    assert told.endswith(f"Page written to {page}\n")
    text = page.read_text()
    assert text.count("<article") == 1
    for words in (customers[""], "No action: the segment is Low", "What lowers the score", "PASS_", "KYC state"):
        assert words in text
    assert "<script" not in text
    assert page.stat().st_mode & 0o777 == 0o600


def test_existing_page_is_replaced_only_by_force(tiny_bundle, synthetic, customers, tmp_path):
    """A repeated command doesn't replace a page without --force."""
    page = tmp_path / "customer.html"
    page.write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        run(tiny_bundle, synthetic, customers[""], "--out", page)
    assert page.read_text() == "mine"
    run(tiny_bundle, synthetic, customers[""], "--out", page, "--force")
    assert "<article" in page.read_text()


@pytest.mark.parametrize(("place", "said"), [("nowhere/x.html", "is not a folder"), ("", "is a folder")])
def test_place_without_a_folder_is_refused(tiny_bundle, synthetic, customers, tmp_path, place, said):
    """A file that can't be written is refused before the tables are scored."""
    with pytest.raises(ConfigError, match=said):
        run(tiny_bundle, synthetic, customers[""], "--out", tmp_path / place)


def test_help_says_what_is_explained():
    """The help says how to name a customer."""
    said = run("--help")
    assert "CUSTOMER is a customer_id of TABLES, or at least its first four characters" in " ".join(said.split())
