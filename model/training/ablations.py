"""Measurements for three choices: excluded events, the weight of suspended customers, and the calibration method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS, Arm, Measurement, in_words
from customer_risk.model.policy.calibration import (
    ENOUGH_FOR_ISOTONIC,
    ENOUGH_FOR_SLOPE,
    fit_intercept,
    fit_isotonic,
    fit_platt,
    sigmoid,
)
from customer_risk.model.training.procedure import fit_procedure
from customer_risk.model.training.tuning import FIXED, START

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from customer_risk.model.evaluation.intervals import Measured
    from customer_risk.model.evaluation.results import Interval
    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.comparison import Fit, FoldFit, OutOfFold
    from customer_risk.model.training.minority import Weighting
    from customer_risk.model.training.procedure import Fitted
    from customer_risk.model.training.study import Study

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

UNTUNED = "All arms use the search's starting parameters, so that they differ in one thing only."
WEIGHTINGS: dict[Weighting, str] = {
    "mild": "Class weights, square root",
    "full": "Class weights, full",
    "none": "No weights",
    "repeat": "Suspended customers repeated",
    "invent": "Suspended customers invented (SMOTE)",
}


def untuned(study: Study, weighting: Weighting = "mild") -> Fit:
    """Return the procedure with the search's starting parameters instead of a search."""
    members = ({**FIXED, **START},)

    def fit(table: FeatureTable, suspended: Flags, seed: int) -> Fitted:
        return fit_procedure(
            table,
            suspended,
            study.config.training,
            seed,
            directions=study.directions,
            members=members,
            weighting=weighting,
        )

    return fit


def excluded_types(study: Study, everything: FeatureTable, tick: Callable[[], None]) -> Measurement:
    """Measure with and without events of the excluded types; `everything` has the features with these events."""
    types = ", ".join(study.config.training.excluded_types) or "none"
    without = study.cross_validate(untuned(study), tick=tick)
    with_them = study.cross_validate(untuned(study), table=everything, tick=tick)
    return _measurement(
        study,
        f"What would events of type {types} add?",
        {
            "without": (f"Without {types} (shipped)", _measured(study, without)),
            "with": (f"With {types}", _measured(study, with_them)),
        },
        UNTUNED,
        f"The bank makes events of type {types} itself, mostly for suspended customers: they are a trace of the "
        "outcome. They are always left out, since they don't exist yet when a customer is scored.",
    )


def weighting(study: Study, tick: Callable[[], None]) -> Measurement:
    """Measure class weights against repeated and invented suspended customers."""
    arms = {
        str(how): (
            title + (" (shipped)" if how == "mild" else ""),
            _measured(study, study.cross_validate(untuned(study, how), tick=tick)),
        )
        for how, title in WEIGHTINGS.items()
    }
    return _measurement(
        study,
        "How should the few suspended customers be weighed?",
        arms,
        UNTUNED,
        "Weights change no customer's data: each reason still comes from existing customers, and calibration corrects "
        "the level. Repeated rows act as weights with noise. Invented rows mix two customers into one who never "
        "existed. Their features can contradict each other (for example, a maximum below a median).",
    )


def calibration(study: Study, found: OutOfFold) -> Measurement:
    """Measure calibration methods on the margins of the shipped procedure; each is fitted inside the training folds."""
    positives = int(study.suspended.sum())
    few = positives < ENOUGH_FOR_SLOPE
    arms: dict[str, tuple[str, Callable[[FoldFit], Floats]]] = {
        "level": ("Level only", _level),
        "platt": ("Platt's sigmoid", _platt),
        "isotonic": ("Isotonic regression", _isotonic),
        "none": ("None", lambda one: sigmoid(one.margins)),
    }
    shipped = "level" if few else "platt"
    order = sorted(arms, key=lambda key: key != shipped)
    return _measurement(
        study,
        "Which calibration?",
        {
            key: (
                arms[key][0] + (" (shipped)" if key == shipped else ""),
                study.measure(found.collect(arms[key][1]), found=found),
            )
            for key in order
        },
        "",
        f"The method follows from the number of suspended customers, {positives}: below {ENOUGH_FOR_SLOPE}, only the "
        f"level is fitted; from {ENOUGH_FOR_SLOPE} on, Platt's two parameters. Isotonic regression has a parameter for "
        f"each step and overfits below about {ENOUGH_FOR_ISOTONIC} (Niculescu-Mizil & Caruana 2005); "
        + (
            "there are more here, so it is shown for comparison. The sigmoid is kept: different scores keep different "
            "probabilities, and a customer's contributions add up to the shown probability."
            if positives >= ENOUGH_FOR_ISOTONIC
            else "it also gives the same probability to customers whom the model distinguishes."
        ),
    )


def _measured(study: Study, found: OutOfFold) -> dict[str, Measured]:
    return study.measure(found.probabilities, found=found)


def _level(one: FoldFit) -> Floats:
    labels = one.labels.astype(np.float64)
    return sigmoid(one.margins + fit_intercept(one.fitted.inner_margins, labels))


def _platt(one: FoldFit) -> Floats:
    slope, intercept = fit_platt(one.fitted.inner_margins, one.labels)
    return sigmoid(slope * one.margins + intercept)


def _isotonic(one: FoldFit) -> Floats:
    return np.interp(one.margins, *fit_isotonic(one.fitted.inner_margins, one.labels))


def _measurement(
    study: Study, question: str, arms: dict[str, tuple[str, dict[str, Measured]]], note: str, conclusion: str
) -> Measurement:
    shipped = next(iter(arms))
    differences = {
        key: study.differences(measured, arms[shipped][1]) for key, (_, measured) in arms.items() if key != shipped
    }
    return Measurement(
        question=question,
        arms=tuple(
            Arm(key=key, title=title, metrics=study.intervals(measured), note=note)
            for key, (title, measured) in arms.items()
        ),
        differences=differences,
        conclusion=f"{conclusion} {_beyond_chance(differences, {key: arm[0] for key, arm in arms.items()})}".strip(),
    )


def _beyond_chance(differences: dict[str, dict[str, Interval]], titles: dict[str, str]) -> str:
    """Return a sentence about the metrics in which another arm differs from the shipped arm beyond chance."""
    found = []
    for key, metrics in differences.items():
        for name, value in metrics.items():
            if name in METRICS and value.low is not None and value.high is not None and value.low * value.high > 0:
                better = ((value.estimate or 0.0) > 0) != (name in LOWER_IS_BETTER)
                found.append(f"{titles[key]} is {'better' if better else 'worse'} in {in_words(name)}")
    return f"Beyond chance: {'; '.join(found)}." if found else "No difference between the arms is beyond chance."
