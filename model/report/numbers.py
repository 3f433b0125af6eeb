"""How numbers are written: the same figure reads the same wherever it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS, Interval
from customer_risk.model.report.blocks import Cell

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Share

Form = Literal["decimal", "percent", "euro", "ratio"]

NOT_COMPUTABLE = "not computable"
EURO = "EUR\N{NO-BREAK SPACE}"  # an amount never parts from its currency at a line's end
MINUS = "\N{MINUS SIGN}"


def written(value: float | None, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Write one number; None is "not computable"."""
    if value is None:
        return NOT_COMPUTABLE
    match form:
        case "percent":
            text = f"{100 * value:,.{1 if digits is None else digits}f}%"
        case "euro":
            text = f"{EURO}{value:,.{2 if digits is None else digits}f}"
        case "ratio":
            text = f"{value:,.{1 if digits is None else digits}f}"
        case _:
            text = f"{value:,.{2 if digits is None else digits}f}"
    return _signed(text)


def count(value: float) -> str:
    """Write a count; a mean of counts keeps one decimal unless it is whole."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def quantity(value: float | None) -> str:
    """Write a feature's value with three significant digits."""
    if value is None:
        return "missing"
    size = abs(value)
    return _signed(f"{value:,.0f}" if size >= 100 or float(value).is_integer() else f"{value:.3g}")


def span(interval: Interval | Share, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Write the bounds alone, or nothing where there are none."""
    if interval.low is None or interval.high is None:
        return ""
    low, high = (written(bound, form, digits=digits) for bound in (interval.low, interval.high))
    return f"{low} to {high.removeprefix(EURO)}"


def spoken(interval: Interval | Share, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Write an estimate and its interval as part of a sentence."""
    middle = written(_middle(interval), form, digits=digits)
    bounds = span(interval, form, digits=digits)
    return f"{middle} ({bounds})" if bounds else middle


def cell(
    interval: Interval | Share | None,
    form: Form = "decimal",
    *,
    digits: int | None = None,
    why: str = "",
    strong: bool = False,
) -> Cell:
    """Write an estimate over its interval; where it isn't computable, `why` (or the share's own) stands below."""
    if interval is None or _middle(interval) is None:
        return Cell(NOT_COMPUTABLE, why or (getattr(interval, "why", "") or ""))
    return Cell(written(_middle(interval), form, digits=digits), span(interval, form, digits=digits), strong)


def share_cell(share: Share) -> Cell:
    """Write a share with its counts and interval."""
    if share.value is None:
        return Cell(NOT_COMPUTABLE, share.why or "")
    return Cell(
        written(share.value, "percent", digits=0), f"{share.count} of {share.of}; {span(share, 'percent', digits=0)}"
    )


def of_customers(counted: float, noun: str = "customer") -> str:
    """Write a count with its noun in the right number."""
    return f"{count(counted)} {noun}" if counted == 1 else f"{count(counted)} {noun}s"


def covers_zero(difference: Interval) -> bool:
    """Return whether the interval can't tell the difference from none; one that isn't computable can't either."""
    return difference.low is None or difference.high is None or difference.low <= 0 <= difference.high


def verdict(difference: Interval, metric: str, *, first: str, second: str) -> str:
    """Return in a sentence what the difference `first` minus `second` in a metric supports, and no more."""
    name = METRICS.get(metric, metric)
    name = name if name.isupper() or name.startswith("ROC") else name[:1].lower() + name[1:]
    if difference.estimate is None:
        return f"In {name}, {first} and {second} can't be compared: the difference is not computable."
    digits = 3 if metric in LOWER_IS_BETTER else 2
    if difference.estimate == 0:
        return f"In {name}, {first} and {second} are level."
    better = difference.estimate < 0 if metric in LOWER_IS_BETTER else difference.estimate > 0
    sides = f"{first} is {'ahead of' if better else 'behind'} {second}"
    size = f"by {written(abs(difference.estimate), digits=digits)}"
    bounds = span(difference, digits=digits)
    if not bounds:
        return f"In {name}, {sides} {size}, but no interval could be made, so this proves nothing."
    interval = f"(interval of the difference {bounds})"
    if covers_zero(difference):
        return f"In {name}, {sides} {size} {interval}: it covers 0, so these data can't tell the two apart."
    return f"In {name}, {sides} {size} {interval}: it excludes 0."


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Write names as part of a sentence."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def _middle(interval: Interval | Share) -> float | None:
    return interval.estimate if isinstance(interval, Interval) else interval.value


def _signed(text: str) -> str:
    """Write a real minus sign, and none before a zero."""
    negative = "-" in text
    bare = text.replace("-", "")
    if not negative or not any(digit in bare for digit in "123456789"):
        return bare
    return bare.replace(EURO, f"{EURO}{MINUS}") if bare.startswith(EURO) else MINUS + bare
