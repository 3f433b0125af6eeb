"""The section on the choice of XGBoost."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.results import Difference, Interval
from customer_risk.model.report.numbers import spoken
from customer_risk.model.report.sections import summary
from customer_risk.model.report.sections.choice import section

replace = msgspec.structs.replace


AHEAD = Interval(estimate=0.1, low=0.02, high=0.2)
LEVEL = Interval(estimate=0.1, low=-0.02, high=0.2)
BEHIND = Interval(estimate=-0.1, low=-0.2, high=-0.02)


def both(results, logistic: Interval, forest: Interval):
    """Return the results with these paired differences in average precision."""
    found = {"logistic_regression": logistic, "random_forest": forest, "dummy": AHEAD}
    differences = (Difference(baseline=key, metric="average_precision", difference=each) for key, each in found.items())
    return replace(results, differences=tuple(differences))


@pytest.mark.parametrize(
    ("logistic", "title", "said", "unsaid"),
    [
        (
            AHEAD,
            "Why XGBoost: it ranks best",
            "XGBoost ranks better than logistic regression and random forest, and the interval excludes 0.",
            "the reasons listed below",
        ),
        (
            LEVEL,
            "Why XGBoost, although it shows no lead over logistic regression",
            (
                "These tables don't show whether XGBoost or logistic regression ranks better: the interval of the "
                "difference in average precision includes 0."
            ),
            "ranks better than logistic regression",
        ),
        (
            BEHIND,
            "Why XGBoost, although logistic regression ranks better",
            (
                "Logistic regression ranks better than XGBoost on these tables, and the interval excludes 0. The "
                "numbers don't support XGBoost."
            ),
            "XGBoost ranks better than logistic regression",
        ),
    ],
    ids=["ahead", "level", "behind"],
)
def test_title_and_text_follow_the_interval(results, words_of, logistic, title, said, unsaid):
    """Title, note and question say whether XGBoost is ahead of, level with or behind logistic regression."""
    found = both(results, logistic, AHEAD)
    made = section(found)
    text = words_of(made)
    numbers = next(line for line in text.splitlines() if line.startswith("What the numbers say"))
    assert made.title == title
    assert said in numbers
    assert unsaid not in numbers
    assert ("Accept the method." in words_of(summary.section(found))) is (logistic is not AHEAD)


def test_the_title_claims_no_lead_after_a_tie(results):
    """If XGBoost doesn't lead every method, the title doesn't call it best."""
    assert section(both(results, AHEAD, LEVEL)).title == "Why XGBoost, although it shows no lead over random forest"
    assert section(both(results, BEHIND, BEHIND)).title == (
        "Why XGBoost, although logistic regression and random forest rank better"
    )


@pytest.mark.parametrize("logistic", [AHEAD, LEVEL, BEHIND], ids=["ahead", "level", "behind"])
def test_the_advantages_of_either_method_are_listed(results, words_of, logistic):
    """XGBoost has exact reasons, constraints and missing values as advantages; logistic regression has simplicity."""
    text = words_of(section(both(results, logistic, AHEAD)))
    for lead in ("Exact reasons, fast.", "Monotone constraints.", "Missing values.", "Simpler.", "Fewer parameters."):
        assert lead in text


def test_metrics_with_a_better_logistic_regression_are_named(results, words_of):
    """A better estimate is called possible chance if the interval includes 0, and better if it excludes 0."""
    differences = (
        Difference(baseline="logistic_regression", metric="recall", difference=LEVEL),
        Difference(baseline="logistic_regression", metric="f1", difference=Interval(estimate=-0.1, low=-0.2, high=0.1)),
        Difference(
            baseline="logistic_regression", metric="brier", difference=Interval(estimate=0.1, low=0.05, high=0.2)
        ),
    )
    text = words_of(section(replace(results, differences=differences)))
    assert "Better on these tables. The interval excludes 0 in Brier score." in text
    assert "Better estimates. In F1; the intervals include 0, so this can be chance." in text


def test_without_contenders_no_numbers_support_the_choice(bare, words_of):
    """Without a comparison, the text says that no numbers support the choice."""
    assert "so no numbers support the choice" in words_of(section(bare))


def test_every_contenders_metrics_are_in_the_alternative_text(results, words_of):
    """The alternative text has each contender's average precision with its interval."""
    text = words_of(section(results))
    for each in results.contenders:
        assert f"{each.title}: Average precision {spoken(each.metrics['average_precision'])}" in text


def test_differences_that_exclude_zero_are_bold(results):
    """Only differences whose interval excludes 0 are bold."""
    tables = [block for block in section(results).blocks if block.kind == "table"]
    table = next(each for each in tables if each.caption.startswith("XGBoost minus"))
    for row in table.rows:
        for cell in row[1:]:
            if cell.below:
                low, high = (float(edge.replace("\N{MINUS SIGN}", "-")) for edge in cell.below.split(" to "))
                assert cell.strong == (low > 0 or high < 0)


def test_weights_and_invented_rows_are_both_measured(results, words_of):
    """The section shows class weights, oversampling and the conclusion."""
    text = words_of(section(results))
    assert "Interpolated minority rows" in text
    assert f"Choice {results.weighting.conclusion}" in text


def test_pruned_trials_are_marked(results, words_of):
    """A pruned trial is "stopped early" instead of having a value."""
    assert "pruned | stopped early" in words_of(section(results))
