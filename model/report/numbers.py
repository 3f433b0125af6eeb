"""Formats numbers for the report and the model card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, Interval, in_words
from customer_risk.model.report.blocks import Cell

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Share

Form = Literal["decimal", "percent", "euro", "ratio"]

_DIGITS: Final[dict[Form, int]] = {"percent": 1, "euro": 2, "ratio": 1, "decimal": 2}

NOT_COMPUTABLE = "not computable"
EURO = "EUR\N{NO-BREAK SPACE}"  # keeps currency and amount on one line
MINUS = "\N{MINUS SIGN}"
NOTHING = 1e-9  # smaller values are rounding errors of 0
MOST_DIGITS = 4  # a bound that rounds to 0 with these digits is written as "just above 0" or "just below 0"


def written(value: float | None, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Return one number as text; None and NaN are "not computable".

    A percentage has more digits if it would otherwise be rounded to 0% or 100%.
    """
    if value is None or math.isnan(value):
        return NOT_COMPUTABLE
    places = _DIGITS[form] if digits is None else digits
    match form:
        case "percent":
            while places < MOST_DIGITS and _says_all_or_nothing(value, places):
                places += 1
            text = f"{100 * value:,.{places}f}%"
        case "euro":
            text = f"{EURO}{value:,.{places}f}"
        case _:
            text = f"{value:,.{places}f}"
    return _signed(text)


def signed(value: float, *, digits: int = 2) -> str:
    """Return a number with its sign; zero has no sign."""
    text = written(value, digits=digits)
    return text if _is_zero(text) or text.startswith(MINUS) else f"+{text}"


def count(value: float) -> str:
    """Return a count as text; a mean of counts has one decimal unless that decimal is 0."""
    rounded = round(value, 1)
    return f"{rounded:,.0f}" if float(rounded).is_integer() else f"{rounded:,.1f}"


def times(number: int) -> str:
    """Return "once", "twice" or, for example, "5 times"."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def quantity(value: float | None) -> str:
    """Return a feature's value with three significant digits."""
    if value is None or math.isnan(value):
        return "missing"
    size = abs(value)
    if size >= 100 or float(value).is_integer():
        return _signed(f"{value:,.0f}")
    return _signed(f"{value:.3g}" if size >= 0.0001 else f"{value:.{2 - math.floor(math.log10(size))}f}")


def span(interval: Interval | Share, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Return the bounds, or "" if there are no bounds."""
    if interval.low is None or interval.high is None:
        return ""
    low, high = (written(bound, form, digits=digits) for bound in (interval.low, interval.high))
    return f"{low} to {high.removeprefix(EURO)}"


def spoken(interval: Interval | Share, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Return an estimate and its interval as part of a sentence."""
    middle = written(middle_of(interval), form, digits=digits)
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
    """Return a cell with an estimate and its interval, or with the reason why it isn't computable."""
    if interval is None or middle_of(interval) is None:
        return Cell(NOT_COMPUTABLE, why or (getattr(interval, "why", "") or ""))
    return Cell(written(middle_of(interval), form, digits=digits), span(interval, form, digits=digits), strong)


def share_cell(share: Share) -> Cell:
    """Return a cell with a share, its counts and its interval."""
    if share.value is None:
        return Cell(NOT_COMPUTABLE, share.why or "")
    return Cell(
        written(share.value, "percent", digits=0), f"{share.count} of {share.of}; {span(share, 'percent', digits=0)}"
    )


def counted(number: float, noun: str = "customer", plural: str = "") -> str:
    """Return a count with its noun in singular or plural."""
    text = count(number)
    return f"{text} {noun if text == '1' else plural or f'{noun}s'}"


def were(number: float) -> str:
    """Return "was" for 1, else "were"."""
    return "was" if count(number) == "1" else "were"


def digits_for(difference: Interval, digits: int = 2, form: Form = "decimal") -> int:
    """Return the number of digits that shows the sign of the estimate and the bounds; at most MOST_DIGITS."""
    values = [value for value in (difference.estimate, difference.low, difference.high) if abs(value or 0.0) > NOTHING]
    while digits < MOST_DIGITS and any(_is_zero(written(value, form, digits=digits)) for value in values):
        digits += 1
    return digits


def difference_span(difference: Interval, form: Form = "decimal", *, digits: int | None = None) -> str:
    """Return a difference's bounds, with enough digits that only 0 is written as 0; "" if it has no bounds."""
    if difference.low is None or difference.high is None:
        return ""
    places = digits_for(difference, 2 if digits is None else digits, form)
    low, high = (_bound(bound, form, places) for bound in (difference.low, difference.high))
    return f"{low} to {high.removeprefix(EURO)}"


def covers_zero(difference: Interval) -> bool:
    """Return whether the interval includes 0 or isn't computable."""
    return difference.low is None or difference.high is None or difference.low <= 0 <= difference.high


def verdict(difference: Interval, metric: str, *, first: str, second: str) -> str:
    """Return a sentence about the difference `first` minus `second` in a metric."""
    name = in_words(metric)
    if difference.estimate is None:
        return f"In {name}, {first} and {second} can't be compared: the difference is not computable."
    digits = digits_for(difference, 3 if metric in LOWER_IS_BETTER else 2)
    size = written(abs(difference.estimate), digits=digits)
    bounds = difference_span(difference, digits=digits)
    if _is_zero(size):
        known = f" (interval of the difference {bounds})" if bounds else ""
        return f"In {name}, {first} and {second} are equal{known}."
    better = difference.estimate < 0 if metric in LOWER_IS_BETTER else difference.estimate > 0
    sides = f"{first} is {'ahead of' if better else 'behind'} {second}"
    size = f"by {size}"
    if not bounds:
        return f"In {name}, {sides} {size}. No interval could be computed, so this can be chance."
    text = f"In {name}, {sides} {size} (interval of the difference {bounds}). The interval"
    if covers_zero(difference):
        return f"{text} includes 0, so these data don't show which is better."
    return f"{text} excludes 0."


def inside(title: str) -> str:
    """Return a title for use inside a sentence: names such as XGBoost and ROC-AUC keep their capitals."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Return names as part of a sentence."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def middle_of(interval: Interval | Share) -> float | None:
    """Return the estimate of an interval or a share."""
    return interval.estimate if isinstance(interval, Interval) else interval.value


def _is_zero(text: str) -> bool:
    return not any(digit in text for digit in "123456789")


def _says_all_or_nothing(share: float, places: int) -> bool:
    percent = round(100 * share, places)
    return (percent == 0 and abs(share) > NOTHING) or (percent == 100 and abs(share - 1) > NOTHING)


def _bound(value: float, form: Form, digits: int) -> str:
    text = written(value, form, digits=digits)
    if abs(value) > NOTHING and _is_zero(text):
        return "just above 0" if value > 0 else "just below 0"
    return text


def _signed(text: str) -> str:
    """Return the text with a minus sign instead of a hyphen, and without a sign before zero."""
    negative = "-" in text
    bare = text.replace("-", "")
    if not negative or not any(digit in bare for digit in "123456789"):
        return bare
    return bare.replace(EURO, f"{EURO}{MINUS}") if bare.startswith(EURO) else MINUS + bare
