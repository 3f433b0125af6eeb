"""Every plot: drawn without a warning, the same bytes for the same results, and words for who can't see it."""

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
from customer_risk.model.report.plots.canvas import _LOOK, drawn

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
def test_a_plot_loads_nothing_and_is_told_in_words(results, name):
    """A drawn plot bears no date or script, refers to nothing outside, and is described in words."""
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
def test_a_plot_has_the_same_bytes_again(results, name):
    """Vectors and pixels alike: drawing the same results again gives the same bytes."""
    assert drawn(PLOTS[name](results)) == drawn(PLOTS[name](results))


def test_thousands_of_marks_are_pixels(results):
    """The summary of contributions is a PNG, whose size doesn't grow with the customers."""
    assert PLOTS["shap-summary"](results).pixels


def test_distributions_show_the_most_telling_features_only(results):
    """At most twelve histograms are drawn: of features that matter alike, those that separate best by themselves."""
    base = results.distributions[0]
    many = tuple(replace(base, feature=f"f{at:02d}", auc=0.5 + at / 100) for at in range(20))
    alt = population.distributions(replace(results, distributions=many)).alt
    assert alt.index("f19") < alt.index("f18")
    assert "f07" not in alt


def test_a_histogram_of_nothing_is_drawn(results):
    """A feature missing from every customer of one label, or with no customer at all, still has its histogram."""
    base = results.distributions[0]
    empty = replace(base, suspended=(0,) * len(base.suspended), missing_suspended=0, auc=None, median_suspended=None)
    picture = population.distributions(replace(results, distributions=(empty,)))
    assert "median missing" in picture.alt
    assert drawn(picture)


def test_the_parts_of_the_time_ordered_split_are_marked(results):
    """Where a part begins after the first period, a line changes the drawing."""
    rows = results.time_view.weeks
    plain = population.cohorts(rows, name="w", caption=".", period="Week")
    marked = population.cohorts(rows, name="w", caption=".", period="Week", parts=[(rows[2].period, "test")])
    assert drawn(plain) != drawn(marked)


def test_many_periods_are_drawn(results):
    """Half a year of weeks fits on the axis, one without customers too."""
    row = results.time_view.weeks[0]
    rows = [replace(row, period=f"2024-W{week:02d}") for week in range(20, 46)]
    rows.append(replace(row, period="2024-W46", customers=0, suspended=0, rate=replace(row.rate, estimate=None)))
    picture = population.cohorts(rows, name="w", caption=".", period="Week")
    assert "2024-W46: 0 of 0" in picture.alt
    assert drawn(picture)


def test_a_search_of_pruned_trials_alone_is_drawn(results):
    """Where no trial ended, the plot says so."""
    trials = [replace(trial, value=None, state="pruned") for trial in results.tuning.trials]
    picture = comparison.search(trials, "average precision")
    assert "no trial finished" in picture.alt
    assert drawn(picture)


def test_metrics_that_cannot_be_computed_leave_no_mark(results):
    """A contender without a metric, and a curve without points, are drawn without it."""
    bare = [replace(each, metrics={}) for each in results.contenders]
    assert drawn(comparison.contenders(replace(results, contenders=tuple(bare))))
    assert drawn(comparison.learning([replace(point, metrics={}) for point in results.learning_curve]))


def test_the_calibration_plot_names_every_bins_numbers(results):
    """Each bin's prediction and observed share stand in the words beside the plot."""
    alt = calibration.calibration(results).alt
    for each in results.calibration_bins:
        assert f"predicted {written(each.predicted)}, observed {written(each.observed.estimate)}" in alt


def test_the_least_cost_in_words_is_the_curves_least(results):
    """The words beside the cost curve state its least value and where it is."""
    curve = expected_loss(results)
    least = int(np.argmin(curve.loss))
    alt = money.cost(curve, results.decisions).alt
    assert f"least, {written(curve.loss[least], 'euro')}, at {written(curve.cuts[least])}" in alt


def test_net_benefit_that_never_helps_is_said(results):
    """Where the model is nowhere above both alternatives, the words say so."""
    curve = tuple(replace(point, model=-0.1) for point in results.decisions.decision_curve)
    assert "at no threshold" in money.net_benefit(replace(results.decisions, decision_curve=curve)).alt


def test_the_cost_map_names_its_least_saving(results):
    """The words beside the heat map name the least saving among the drawn strategies."""
    rows = results.decisions.cost_sensitivity
    least = min(value for row in rows for key, value in row.saved.items() if key != "nobody")
    least = min(least, *(s.saved_per_customer.estimate for s in results.decisions.strategies if s.key != "nobody"))
    assert written(least, "euro") in money.cost_map(results.decisions).alt


def test_marks_that_would_hide_each_other_are_moved_apart():
    """Customers with the same contribution stand beside one another, within their row."""
    moved = explanation._spread(np.zeros(200))
    assert len(np.unique(moved)) == 200
    assert np.abs(moved).max() <= 0.38


def test_features_are_ranked_by_contribution(results):
    """The greatest mean absolute contribution comes first."""
    sizes = [each.mean_abs_contribution for each in explanation.ranked(results)]
    assert sizes == sorted(sizes, reverse=True)


def undrawn(axis) -> list[Text]:
    """Return the labels of the ticks outside of an axis' limits, which aren't drawn."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [
        label
        for tick in axis.get_major_ticks()
        if not low - slack <= tick.get_loc() <= high + slack
        for label in (tick.label1, tick.label2)
    ]


def overlapping(picture) -> list[tuple[str, str]]:
    """Draw a picture and return the pairs of its texts that overlap, including tick labels of one axis."""
    with mpl.rc_context(_LOOK):
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
def test_no_label_hides_another(results, name):
    """In each plot, no title, label or annotation overlaps another."""
    assert overlapping(PLOTS[name](results)) == []


@pytest.mark.parametrize("cuts", [(0.15, 0.44), (0.2, 0.22), (0.3, 0.3), (0.0, 1.0), (0.97, 0.99)])
def test_labels_of_close_cut_offs_stand_apart(results, cuts):
    """Cut-offs that are close together or at an end have labels that can be read, over the costs and the example."""
    decisions = replace(results.decisions, medium=cuts[0], high=cuts[1])
    assert overlapping(money.cost(expected_loss(results), decisions)) == []
    assert overlapping(waterfall.waterfall(results.example, *cuts)) == []


@pytest.mark.parametrize("weeks", [2, 3, 13, 30])
@pytest.mark.parametrize("starts", [(0, 1, 2), (0, 9, 10), (0, 11, 12), (0, 12, 12), (0, 28, 29)])
def test_labels_of_close_parts_stand_apart(results, weeks, starts):
    """Parts of the time-ordered split that begin in neighbouring weeks have labels that can be read."""
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
def test_the_steps_of_the_example_stand_apart(results, scale, sign):
    """Small, large and negative contributions are drawn with labels that can be read."""
    reasons = tuple(replace(each, contribution=sign * scale * each.contribution) for each in results.example.reasons)
    assert overlapping(waterfall.waterfall(replace(results.example, reasons=reasons), 0.2, 0.6)) == []
