"""The chain of receipts, of this release and of earlier releases."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.receipts import Approval, Chain
from customer_risk.model.offboarding.record import read_run
from customer_risk.model.offboarding.signed import signed_lines
from customer_risk.model.offboarding.signing import sign
from customer_risk.model.offboarding.spreadsheet import csv_bytes

EARLIER = Path(__file__).parents[2] / "data" / "scoring-run-1"
NOW = datetime(2026, 1, 8, 15, 0, tzinfo=UTC)


@pytest.fixture
def earlier(tmp_path):
    """A copy of a run of schema version 1 with its sign-offs."""
    return shutil.copytree(EARLIER, tmp_path / "run")


def decided(folder: Path) -> pl.DataFrame:
    """Return the list of the run as it was last signed."""
    signed = signed_lines(Chain(folder / "signed").acts, read_run(folder))
    made = pl.read_parquet(folder / "offboarding.parquet")
    return made.with_columns(
        pl.Series(name, [getattr(one.decision, name) for one in signed.values()])
        for name in ("decision", "name", "date", "note")
    )


def test_receipts_of_schema_version_1_are_read(earlier):
    """They are sign-offs of whole lists, with claimed names, and final."""
    first, second = Chain(earlier / "signed").acts
    assert (first.kind, first.open, first.verified, first.person) == ("sign-off", 0, False, Person("registrar"))
    assert (second.supersedes, second.why) == (1, "new documents")
    signed = signed_lines([first, second], read_run(earlier))
    assert all(one.final and one.comments == {} for one in signed.values())
    assert [one.receipt.number for one in signed.values()] == [2, 1, 1, 1]


def test_list_signed_by_an_earlier_release_is_known(earlier, tmp_path):
    """The same decisions change nothing."""
    path = tmp_path / "filled.csv"
    path.write_bytes(csv_bytes(decided(earlier)))
    receipt, new = sign(path, earlier, earlier / "signed", now=NOW, by=Person("registrar"))
    assert (receipt.number, new) == (2, False)


@pytest.fixture
def continued(earlier, tmp_path):
    """The chain of an earlier release with one more receipt, of this release."""
    path = tmp_path / "filled.csv"
    path.write_bytes(csv_bytes(decided(earlier).with_columns(pl.lit("keep").alias("decision"))))
    sign(path, earlier, earlier / "signed", now=NOW, by=Person("registrar"), supersede=True, why="again")
    return earlier / "signed"


def test_chain_goes_on_over_both_forms(continued):
    """A receipt of this release has the hash of the receipt before it, also if an earlier release wrote it."""
    chain = Chain(continued)
    assert [act.number for act in chain.acts] == [1, 2, 3]
    assert chain.acts[2].follows == chain.digest(2)
    assert chain.acts[2].supersedes == 2


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("how", ["Ann Example", "registrar", "garble", "remove"])
def test_altered_receipt_is_detected(continued, number, how):
    """A receipt of any release that was altered or removed is detected, except the newest."""
    chain = Chain(continued)
    chain.append(approval(chain))
    path = continued / f"{number:04d}.receipt.json"
    path.chmod(0o644)
    text = path.read_text()
    if how == "remove":
        path.unlink()
    else:
        assert how == "garble" or how in text
        path.write_text("{" if how == "garble" else text.replace(how, "Eve Example"))
    with pytest.raises(
        SignOffError, match=r"doesn't follow from the receipt before it|aren't those that were signed|can't be read"
    ):
        Chain(continued)


def approval(chain: Chain, **other: object) -> Approval:
    """Return an approval of the last receipt."""
    given = {
        "number": len(chain.acts) + 1,
        "run": chain.acts[-1].run,
        "approves": len(chain.acts),
        "approved": chain.last_digest,
        "lines": (1,),
        "approved_at": NOW,
        "approved_on": "2026-01-08",
        "approved_by": "Bob Example",
        "verified": False,
        "issuer": "",
        "subject": "",
        "note": "",
        "follows": chain.last_digest,
    }
    return Approval(**given | other)


def test_approvals_are_in_the_chain(continued):
    """An approval is a receipt with a number and the hash of the receipt before it."""
    chain = Chain(continued)
    chain.append(approval(chain))
    assert Chain(continued).acts[-1].approved_by == "Bob Example"


@pytest.mark.parametrize("other", [{"approves": 9}, {"approves": 0}, {"approved": "f" * 64}, {"approves": 1}], ids=str)
def test_approval_of_another_receipt_is_refused(continued, other):
    """An approval names an earlier receipt by its hash."""
    chain = Chain(continued)
    chain.append(approval(chain, **other))
    with pytest.raises(SignOffError, match="approves a receipt that was altered or doesn't precede it"):
        Chain(continued)


@pytest.mark.parametrize("content", ['{"kind": "other"}', '{"kind": "approval"}', '{"kind": "sign-off"}', "[]", "\xff"])
def test_garbled_receipt_is_refused(tmp_path, content):
    """The message names the damaged receipt."""
    (tmp_path / "0001.receipt.json").write_text(content, encoding="latin-1")
    with pytest.raises(SignOffError, match=r"0001\.receipt\.json can't be read"):
        Chain(tmp_path)


def test_unknown_fields_are_refused(continued):
    """A receipt with an unknown field is refused."""
    chain = Chain(continued)
    chain.append(approval(chain))
    path = continued / "0004.receipt.json"
    path.chmod(0o644)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"later": 1}))
    with pytest.raises(SignOffError, match="unknown field `later`"):
        Chain(continued)
