"""The dossier of any customer of the tables."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from customer_risk.model.errors import TableError
from customer_risk.model.offboarding.dossier import make_dossiers
from customer_risk.model.offboarding.explaining import explain


@pytest.fixture(scope="module")
def ids(scored):
    """A customer of each segment."""
    rows = scored.table.group_by("segment").agg(pl.col("customer_id").first())
    return dict(rows.iter_rows())


@pytest.mark.parametrize("segment", ["low", "medium", "high"])
def test_dossier_is_that_of_the_lists(tiny_bundle, synthetic, scored, ids, segment):
    """A customer has the same dossier as on the lists; customers on no list have one, too."""
    made = explain(tiny_bundle, synthetic, ids[segment])
    expected = make_dossiers(scored, pl.col("customer_id") == ids[segment])
    assert [made.dossier] == expected
    assert made.dossier.segment == segment
    assert made.dossier.raises
    assert made.dossier.lowers
    assert len(made.dossier.cut_offs) == 2


def test_beginning_of_an_id_is_enough_if_it_is_unique(tiny_bundle, synthetic, scored, ids):
    """The first characters of an id are enough if they are unique."""
    wanted = ids["low"]
    others = [one for one in scored.table["customer_id"] if one != wanted]
    size = next(n for n in range(4, len(wanted)) if not any(one.startswith(wanted[:n]) for one in others))
    assert explain(tiny_bundle, synthetic, wanted[:size]).dossier.customer_id == wanted


def test_ambiguous_beginning_is_refused_with_the_ids(tiny_bundle, synthetic, tmp_path, ids):
    """The message names the customers whose ids begin with the given characters."""
    shutil.copytree(synthetic, tmp_path / "tables")
    path = tmp_path / "tables" / "users_unlabelled.csv"
    text = path.read_text()
    assert ids["low"] in text
    twin = ids["low"][:-1] + ("0" if ids["low"][-1] != "0" else "1")
    line = next(line for line in text.splitlines() if ids["low"] in line)
    path.write_text(text + line.replace(ids["low"], twin) + "\n")
    with pytest.raises(TableError, match="2 customers have an id that begins with") as refusal:
        explain(tiny_bundle, tmp_path / "tables", ids["low"][:-1])
    assert twin in refusal.value.problem


@pytest.mark.parametrize("customer", ["nowhere", "", "=1"])
def test_unknown_customer_is_refused(tiny_bundle, synthetic, customer):
    """The message names the customer and the tables."""
    with pytest.raises(TableError, match=r"No customer of .* has the id"):
        explain(tiny_bundle, synthetic, customer)


def test_beginning_of_less_than_four_characters_is_refused(tiny_bundle, synthetic, ids):
    """Fewer than four characters of an id are refused."""
    with pytest.raises(TableError, match="No customer"):
        explain(tiny_bundle, synthetic, ids["low"][:3])


def test_customer_of_the_other_cohort_is_refused_with_the_option(tiny_bundle, synthetic, ids):
    """The message says which cohort has the customer, and which option to give."""
    with pytest.raises(TableError, match="but among the unlabelled customers") as refusal:
        explain(tiny_bundle, synthetic, ids["low"], cohort="labelled")
    assert "--cohort unlabelled" in refusal.value.remedy


def test_tables_of_one_cohort_are_enough(tiny_bundle, synthetic, tmp_path):
    """An unknown customer is refused also if the other cohort's tables are missing."""
    (tmp_path / "tables").mkdir()
    for path in synthetic.glob("*_unlabelled.csv"):
        shutil.copy(path, tmp_path / "tables")
    with pytest.raises(TableError, match="has the id nowhere") as refusal:
        explain(tiny_bundle, tmp_path / "tables", "nowhere")
    assert "customer-risk check" in refusal.value.remedy
