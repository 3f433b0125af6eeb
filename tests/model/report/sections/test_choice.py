"""Why XGBoost: no more than the paired differences say."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.results import Difference, Interval
from customer_risk.model.report.numbers import spoken
from customer_risk.model.report.sections.choice import section

replace = msgspec.structs.replace


def against(results, interval: Interval):
    """The results with one paired difference, in average precision, to the random forest."""
    one = Difference(baseline="random_forest", metric="average_precision", difference=interval)
    return replace(results, differences=(one,))


@pytest.mark.parametrize(
    ("interval", "said", "unsaid"),
    [
        (Interval(estimate=0.1, low=0.02, high=0.2), "XGBoost beats Random forest", "can't tell"),
        (Interval(estimate=0.1, low=-0.02, high=0.2), "can't tell it from Random forest", "beats"),
        (Interval(estimate=-0.1, low=-0.2, high=-0.02), "Random forest ranks better on these data", "beats"),
    ],
)
def test_the_choice_follows_the_interval(results, words_of, interval, said, unsaid):
    """Ahead, level or behind: the choice says which, and that level numbers don't decide."""
    text = words_of(section(against(results, interval)))
    choice = next(line for line in text.splitlines() if line.startswith("Choice") and "boosted trees" in line)
    assert said in choice
    assert unsaid not in choice


def test_without_contenders_the_numbers_decide_nothing(bare, words_of):
    """A run that compared nothing claims nothing."""
    assert "the numbers don't decide" in words_of(section(bare))


def test_every_contenders_metrics_stand_beside_each_other(results, words_of):
    """The average precision of each contender, with its interval, is in the pictures' words."""
    text = words_of(section(results))
    for each in results.contenders:
        assert f"{each.title}: Average precision {spoken(each.metrics['average_precision'])}" in text


def test_differences_that_exclude_zero_are_bold(results):
    """Bold stands only where the paired interval excludes 0."""
    tables = [block for block in section(results).blocks if block.kind == "table"]
    table = next(each for each in tables if each.caption.startswith("XGBoost minus"))
    for row in table.rows:
        for cell in row[1:]:
            if cell.below:
                low, high = (float(edge.replace("\N{MINUS SIGN}", "-")) for edge in cell.below.split(" to "))
                assert cell.strong == (low > 0 or high < 0)


def test_weights_and_invented_rows_are_both_measured(results, words_of):
    """The measurement of oversampling stands beside the shipped class weights, with its conclusion."""
    text = words_of(section(results))
    assert "Interpolated minority rows" in text
    assert f"Choice {results.weighting.conclusion}" in text


def test_trials_that_were_stopped_say_so(results, words_of):
    """A pruned trial has no value and says that it was stopped early."""
    assert "pruned | stopped early" in words_of(section(results))
