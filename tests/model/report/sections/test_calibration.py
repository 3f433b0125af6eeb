"""The section on calibration."""

from __future__ import annotations

import msgspec

from customer_risk.model.evaluation.results import CalibrationBin, Interval
from customer_risk.model.report.sections.calibration import section

replace = msgspec.structs.replace


def test_bins_that_miss_are_counted(results, words_of):
    """Predictions outside of the observed share's interval are listed, with the number expected by chance."""
    good = CalibrationBin(predicted=0.1, observed=Interval(estimate=0.1, low=0.05, high=0.2), customers=10.0)
    bad = CalibrationBin(predicted=0.5, observed=Interval(estimate=0.1, low=0.05, high=0.2), customers=10.0)
    text = words_of(section(replace(results, calibration_bins=(good, bad))))
    assert "In 1 bin, the prediction is outside" in text
    assert "at 0.50 (observed 0.10, interval 0.05 to 0.20)" in text
    assert "about 0.1 of 2 bins would be outside by chance" in text


def test_the_text_says_that_all_bins_are_inside(results, words_of):
    """If every prediction is inside, the text says so."""
    good = CalibrationBin(predicted=0.1, observed=Interval(estimate=0.1, low=0.05, high=0.2), customers=10.0)
    assert "In every bin, the prediction is inside" in words_of(section(replace(results, calibration_bins=(good,))))


def test_the_rate_in_use_is_marked(results, words_of):
    """The section has both rates, and the table of other rates marks the rate in use."""
    text = words_of(section(results))
    assert results.decisions.rate_source in text
    assert "18.8% the rate in use" in text


def test_precision_without_high_customers_is_not_computable(results, words_of):
    """At a rate without High customers, precision isn't computable."""
    assert "0.5% | 20.0% | 0.5% | not computable" in words_of(section(results))
