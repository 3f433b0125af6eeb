"""The page shows every field of the results: a change of any field changes the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from customer_risk.model.evaluation.results import RunResults
from customer_risk.model.report.blocks import Fold, Picture
from customer_risk.model.report.pages import SECTIONS, identity, imprint
from customer_risk.model.report.plots import bands
from customer_risk.model.report.plots.canvas import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer_risk.model.report.blocks import Block

# Fields that no reader needs, each with the reason.
HIDDEN = {
    "contenders.*.flagged.*.*": "decisions are told by their metrics, counts and money",
    "contenders.*.key": "a name that joins contenders and differences",
    "excluded.arms.*.key": "a name that joins arms and differences",
    "weighting.arms.*.key": "a name that joins arms and differences",
    "calibration.arms.*.key": "a name that joins arms and differences",
    "segments.rows.*.action": "the segment and the action rule say more",
    "without_transactions.period": "a name that is the same in each run",
    "without_transactions.note": "told where there is no ROC-AUC",
}
# Fields that a reader sees in a drawing alone, by its name.
DRAWN = {
    "labels.*": "roc",
    "contenders.*.probabilities.*.*": "roc",
    "distributions.*.edges.*": "distributions",
    "distributions.*.active.*": "distributions",
    "distributions.*.suspended.*": "distributions",
    "distributions.*.log_scale": "distributions",
    "decisions.decision_curve.*.threshold": "net-benefit",
    "decisions.decision_curve.*.model": "net-benefit",
    "decisions.decision_curve.*.everybody": "net-benefit",
    "shap.contributions.*.*": "shap-summary",
    "shap.values.*.*": "shap-summary",
}
# Fields that can't take just any value.
CHOICES = {
    "confidence": 0.9,
    "distributions.*.direction": 0,
    "importance.*.direction": 0,
    "fairness.*.gaps.*.measure": "true_positive",
    "time_view.parts.*.first": "2024-05-03",
    "time_view.parts.*.last": "2024-05-03",
    "example.segment": "low",
}


def plainly(results: RunResults) -> Any:
    """Return the results as lists and mappings."""
    return msgspec.json.decode(msgspec.json.encode(results))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every leaf, in the first item of each sequence only."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:1]):
            yield from leaves(inner, (*path, at))
    else:
        yield path


def changed(value: Any, pattern: str) -> Any:
    """Return another value of the same kind."""
    match value:
        case _ if pattern in CHOICES:
            return CHOICES[pattern]
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 1.37
        case None:
            return 0.4321
    return f"{value}~changed"


def told(results: RunResults) -> tuple[Any, dict[str, Picture]]:
    """Return all text of the page, and its pictures by name."""
    pictures: dict[str, Picture] = {}

    def words(blocks: tuple[Block, ...]) -> list[Any]:
        said: list[Any] = []
        for block in blocks:
            if isinstance(block, Picture):
                pictures[block.name] = block
                said.append((block.caption, block.alt))
            elif isinstance(block, Fold):
                said.append((block.title, words(block.blocks)))
            else:
                said.append(block)
        return said

    page = [(section.title, words(section.blocks)) for section in (make(results) for make in SECTIONS)]
    return (page, identity(results), imprint(results)), pictures


def test_every_field_is_in_the_text_or_a_plot(results, monkeypatch):
    """Changing any leaf of the results changes the text of the page, or the plot that shows it."""
    monkeypatch.setattr(bands, "DRAWS", 20)
    before, pictures = told(results)
    plain = plainly(results)
    once = {name: drawn(pictures[name]) for name in set(DRAWN.values())}
    silent = []
    seen = set()
    for path in leaves(plain):
        pattern = ".".join("*" if isinstance(step, int) else step for step in path)
        reason = pattern.startswith("fairness") and pattern.endswith(".why")  # shown only without a value
        if pattern in seen or pattern in HIDDEN or reason:
            continue
        seen.add(pattern)
        holder = plain
        for step in path[:-1]:
            holder = holder[step]
        kept = holder[path[-1]]
        holder[path[-1]] = changed(kept, pattern)
        after, redrawn = told(msgspec.convert(plain, RunResults))
        holder[path[-1]] = kept
        name = DRAWN.get(pattern)
        if after == before and (name is None or drawn(redrawn[name]) == once[name]):
            silent.append(pattern)
    assert not silent, "\n".join(silent)


def test_no_field_of_the_results_is_empty(results):
    """No field of these results is empty, so the test above covers all fields."""
    empty = [name for name in RunResults.__struct_fields__ if getattr(results, name) in ((), {}, "", None)]
    assert empty == []


@pytest.mark.parametrize("lists", [HIDDEN, DRAWN])
def test_every_exception_is_a_path_of_the_results(results, lists):
    """Each exception is a path of the results."""
    paths = {".".join("*" if isinstance(step, int) else step for step in path) for path in leaves(plainly(results))}
    assert lists.keys() <= paths
