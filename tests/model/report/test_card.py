"""The model card."""

from __future__ import annotations

import dataclasses
import re

import msgspec
import pytest

from customer_risk.model.report.card import card, plain
from customer_risk.model.report.numbers import spoken

SECTIONS = (
    "Model details", "Intended use", "Out of scope", "Factors", "Metrics", "Training and evaluation data",
    "Quantitative analyses", "Ethical considerations", "Caveats and recommendations", "Sign-off",
)  # fmt: skip


def test_it_has_the_sections_of_a_model_card(results):
    """The sections are those of Mitchell et al., with out-of-scope uses and sign-off."""
    assert tuple(re.findall(r"^## (.+)$", card(results), re.MULTILINE)) == SECTIONS


@pytest.mark.parametrize("metric", ["average_precision", "roc_auc", "precision", "recall"])
def test_metrics_have_their_intervals(results, metric):
    """Each contender's metric is stated with its interval."""
    text = card(results)
    for contender in results.contenders:
        assert spoken(contender.metrics[metric]) in text


def test_every_row_has_as_many_cells_as_the_head(results):
    """In each table every row has as many cells as the head."""
    tables = re.findall(r"(?:^\|.*\n)+", card(results), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_the_card_identifies_the_run(results):
    """The card identifies the bundle, the tables and the commit."""
    text, run = card(results), results.provenance
    for seal in (run.bundle_version, run.git_commit, run.data_hash, run.catalogue_hash, str(run.seed)):
        assert seal in text


def test_markup_in_text_is_escaped(results):
    """Text of the results is escaped for Markdown and HTML."""
    assert "&lt;b&gt;not&lt;/b&gt;" in card(results)
    assert plain("a | b `c` <i>\n# d") == r"a \| b \`c\` &lt;i&gt; \# d"


def test_it_is_short(results):
    """The card fits on a few pages."""
    assert len(card(results).split()) < 1700


def test_the_same_results_give_the_same_card(results):
    """The same results give the same card."""
    assert card(results) == card(results)


def test_the_card_says_which_parts_are_missing(bare):
    """Without metrics, slices and gaps the card says what isn't computable."""
    text = card(bare)
    assert "not computable" in text
    assert "**Groups.** Not computable" in text


def test_a_decision_without_a_computable_gap_is_stated(results):
    """A decision without a computable gap says so."""
    lost = tuple(
        dataclasses.replace(each, gaps=tuple(gap for gap in each.gaps if gap.value is None))
        for each in results.fairness
    )
    assert "No gap is computable" in card(msgspec.structs.replace(results, fairness=lost))


def test_synthetic_data_and_default_costs_are_marked(results):
    """Only cards of synthetic tables and of default costs are marked."""
    real = msgspec.structs.replace(
        results,
        provenance=msgspec.structs.replace(results.provenance, synthetic=False),
        decisions=msgspec.structs.replace(results.decisions, default_costs=()),
    )
    assert card(results).startswith("# Model card: customer risk (SYNTHETIC DATA)\n")
    assert card(results).count("Default costs, not confirmed.") == 2
    assert "SYNTHETIC" not in card(real)
    assert "Default costs" not in card(real)


def test_organisation_and_dates_are_stated(results):
    """Organisation, dates, author and readers are at the top; the action rule is stated with version and minimum."""
    text = card(results)
    for said in (
        "- **Source of the data:** Bank of Examples;", "- **Newest event in the data:** 2024-09-30",
        "- **Date of the commit:** 2024-10-01", "- **Author:** A. Author", "- **Readers:** the risk committee",
        ("- **Action rule:** version 2: off-boarding is proposed for a High customer in whose transactions at least "
        "1 declared pattern is found"), "PASS\\_THROUGH",
    ):  # fmt: skip
        assert said.replace("PASS\\_THROUGH", "PASS_THROUGH") in text
