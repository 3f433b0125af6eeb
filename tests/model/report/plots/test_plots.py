"""Every plot: no warnings, reproducible bytes, and an alternative text."""

from __future__ import annotations

import base64
import re
from itertools import combinations

import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from customer_risk.model.report.loss import expected_loss
from customer_risk.model.report.numbers import written
from customer_risk.model.report.plots import (
    calibration,
    comparison,
    explanation,
    groups,
    money,
    population,
    ranking,
    waterfall,
)
from customer_risk.model.report.plots.canvas import _STYLE, drawn

PLOTS = {
    "roc": ranking.roc,
    "precision-recall": ranking.precision_recall,
    "distributions": population.distributions,
    "months": lambda results: population.cohorts(
        results.data.months, name="months", caption="By month.", period="Month"
    ),
    "contenders": comparison.contenders,
    "learning-curve": lambda results: comparison.learning(results.learning_curve),
    "search": lambda results: comparison.search(results.tuning.trials, results.tuning.objective),
    "calibration": calibration.calibration,
    "expected-cost": lambda results: money.cost(expected_loss(results), results.decisions),
    "net-benefit": lambda results: money.net_benefit(results.decisions),
    "cost-sensitivity": lambda results: money.cost_map(results.decisions),
    "importance": explanation.importance,
    "shap-summary": lambda results: explanation.summary(results.shap),
    "segments": groups.segments,
    "waterfall": lambda results: waterfall.waterfall(results.example, 0.2, 0.6),
    "slices": lambda results: groups.slices(results.fairness[0], "slices"),
}
replace = msgspec.structs.replace


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_loads_nothing_and_has_an_alternative_text(results, name):
    """A plot has no date, script or external reference, and has an alternative text."""
    picture = PLOTS[name](results)
    assert picture.name == name
    assert len(picture.alt) > 30
    assert picture.caption.endswith(".")
    uri = drawn(picture)
    inside = base64.b64decode(uri.split(",", 1)[1])
    if picture.pixels:
        assert uri.startswith("data:image/png;base64,")
        assert inside.startswith(b"\x89PNG")
    else:
        assert uri.startswith("data:image/svg+xml;base64,")
        assert not re.search(rb"<(script|metadata)|href=\"(?!#|data:)|dc:date|url\(http", inside)


@pytest.mark.parametrize("name", ["segments", "shap-summary"])
def test_the_same_plot_has_the_same_bytes(results, name):
    """Drawing the same results again gives the same bytes, for SVG and PNG."""
    assert drawn(PLOTS[name](results)) == drawn(PLOTS[name](results))


def test_a_plot_of_thousands_of_marks_is_a_png(results):
    """The summary of contributions is a PNG, whose size doesn't grow with the customers."""
    assert PLOTS["shap-summary"](results).pixels


def test_distributions_show_the_most_important_features(results):
    """At most twelve histograms are drawn; of equally important features, those that separate best."""
    base = results.distributions[0]
    many = tuple(replace(base, feature=f"f{at:02d}", auc=0.5 + at / 100) for at in range(20))
    alt = population.distributions(replace(results, distributions=many)).alt
    assert alt.index("f19") < alt.index("f18")
    assert "f07" not in alt


def test_an_empty_histogram_is_drawn(results):
    """A feature without a value for one label, or without customers, has a histogram."""
    base = results.distributions[0]
    empty = replace(base, suspended=(0,) * len(base.suspended), missing_suspended=0, auc=None, median_suspended=None)
    picture = population.distributions(replace(results, distributions=(empty,)))
    assert "median missing" in picture.alt
    assert drawn(picture)


def test_the_parts_of_the_time_ordered_split_are_marked(results):
    """A part that begins after the first period is marked by a line."""
    rows = results.time_view.weeks
    plain = population.cohorts(rows, name="w", caption=".", period="Week")
    marked = population.cohorts(rows, name="w", caption=".", period="Week", parts=[(rows[2].period, "test")])
    assert drawn(plain) != drawn(marked)


def test_many_periods_are_drawn(results):
    """Half a year of weeks, including one without customers, can be drawn."""
    row = results.time_view.weeks[0]
    rows = [replace(row, period=f"2024-W{week:02d}") for week in range(20, 46)]
    rows.append(replace(row, period="2024-W46", customers=0, suspended=0, rate=replace(row.rate, estimate=None)))
    picture = population.cohorts(rows, name="w", caption=".", period="Week")
    assert "2024-W46: 0 of 0" in picture.alt
    assert drawn(picture)


def test_a_search_with_pruned_trials_only_is_drawn(results):
    """If no trial finished, the alternative text says so."""
    trials = [replace(trial, value=None, state="pruned") for trial in results.tuning.trials]
    picture = comparison.search(trials, "average precision")
    assert "no trial finished" in picture.alt
    assert drawn(picture)


def test_plots_without_computable_metrics_are_drawn(results):
    """A contender without a metric, and a learning curve without points, can be drawn."""
    bare = [replace(each, metrics={}) for each in results.contenders]
    assert drawn(comparison.contenders(replace(results, contenders=tuple(bare))))
    assert drawn(comparison.learning([replace(point, metrics={}) for point in results.learning_curve]))


def test_the_alternative_text_of_calibration_has_every_bin(results):
    """The alternative text has each bin's prediction and observed share."""
    alt = calibration.calibration(results).alt
    for each in results.calibration_bins:
        assert f"predicted {written(each.predicted)}, observed {written(each.observed.estimate)}" in alt


def test_the_alternative_text_of_cost_has_the_least_cost(results):
    """The alternative text of the cost curve has its least value and the cut-off of that value."""
    curve = expected_loss(results)
    least = int(np.argmin(curve.loss))
    alt = money.cost(curve, results.decisions).alt
    assert f"least, {written(curve.loss[least], 'euro')}, at {written(curve.cuts[least])}" in alt


def test_the_alternative_text_says_that_net_benefit_is_never_better(results):
    """If the model is never better than both alternatives, the alternative text says so."""
    curve = tuple(replace(point, model=-0.1) for point in results.decisions.decision_curve)
    assert "at no threshold" in money.net_benefit(replace(results.decisions, decision_curve=curve)).alt


def test_the_alternative_text_of_the_cost_map_has_the_least_saving(results):
    """The alternative text of the heat map has the least saving of the drawn strategies."""
    rows = results.decisions.cost_sensitivity
    least = min(value for row in rows for key, value in row.saved.items() if key != "no_customer")
    least = min(least, *(s.saved_per_customer.estimate for s in results.decisions.strategies if s.key != "no_customer"))
    assert written(least, "euro") in money.cost_map(results.decisions).alt


def test_marks_that_would_hide_each_other_are_moved_apart():
    """Customers with the same contribution have different positions within their row."""
    moved = explanation._spread(np.zeros(200))
    assert len(np.unique(moved)) == 200
    assert np.abs(moved).max() <= 0.38


def test_features_are_ranked_by_contribution(results):
    """The greatest mean absolute contribution comes first."""
    sizes = [each.mean_abs_contribution for each in explanation.ranked(results)]
    assert sizes == sorted(sizes, reverse=True)


def undrawn(axis) -> list[Text]:
    """Return the labels of ticks outside of the limits of an axis, which aren't drawn."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [
        label
        for tick in axis.get_major_ticks()
        if not low - slack <= tick.get_loc() <= high + slack
        for label in (tick.label1, tick.label2)
    ]


def overlapping(picture) -> list[tuple[str, str]]:
    """Draw a picture and return the pairs of texts that overlap."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure)
        FigureCanvasAgg(figure).draw()
        outside = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in undrawn(axis)}
        texts = [
            each
            for each in figure.findobj(Text)
            if each.get_visible() and each.get_text().strip() and each not in outside
        ]
        boxes = [
            (each.get_text(), each.get_window_extent())
            for each in texts
            if each.get_rotation() % 90 == 0  # the box of slanted text is larger than the text
        ]
    return [
        (one, other)
        for (one, box), (other, beside) in combinations(boxes, 2)
        if box.width and beside.width and box.padded(-0.5).overlaps(beside.padded(-0.5))
    ]


@pytest.mark.parametrize("name", PLOTS)
def test_labels_do_not_overlap(results, name):
    """No title, label or annotation of a plot overlaps another."""
    assert overlapping(PLOTS[name](results)) == []


@pytest.mark.parametrize("cuts", [(0.15, 0.44), (0.2, 0.22), (0.3, 0.3), (0.0, 1.0), (0.97, 0.99)])
def test_labels_of_close_cut_offs_do_not_overlap(results, cuts):
    """The labels of cut-offs that are close together or at an end don't overlap."""
    decisions = replace(results.decisions, medium=cuts[0], high=cuts[1])
    assert overlapping(money.cost(expected_loss(results), decisions)) == []
    assert overlapping(waterfall.waterfall(results.example, *cuts)) == []


@pytest.mark.parametrize("weeks", [2, 3, 13, 30])
@pytest.mark.parametrize("starts", [(0, 1, 2), (0, 9, 10), (0, 11, 12), (0, 12, 12), (0, 28, 29)])
def test_labels_of_close_parts_do_not_overlap(results, weeks, starts):
    """The labels of parts that begin in neighbouring weeks don't overlap."""
    row = results.time_view.weeks[0]
    rows = [replace(row, period=f"2024-W{week + 10:02d}") for week in range(weeks)]
    parts = [
        (rows[start].period, title)
        for start, title in zip(starts, ("train 70%", "validate 15%", "test 15%"), strict=True)
        if start < weeks
    ]
    picture = population.cohorts(rows, name="weeks", caption="By week.", period="Week", parts=parts)
    assert overlapping(picture) == []


@pytest.mark.parametrize("scale", [1.0, 0.01, 100.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_labels_of_the_example_do_not_overlap(results, scale, sign):
    """The labels of small, large and negative contributions don't overlap."""
    reasons = tuple(replace(each, contribution=sign * scale * each.contribution) for each in results.example.reasons)
    assert overlapping(waterfall.waterfall(replace(results.example, reasons=reasons), 0.2, 0.6)) == []
