"""The section on one made-up customer, from the profile to the action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Cell, Note, Section, Steps, Table, figures, rows_of, words
from customer_risk.model.report.numbers import counted, signed, written
from customer_risk.model.report.plots import waterfall
from customer_risk.model.report.sections.segments import SEGMENT_ACTIONS
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import Example, RunResults

TITLE = "One customer as an example"
PROFILE = {
    "phone_number_country_code": "country code of the phone number",
    "reason_to_use_app": "stated reason to use the app",
    "kyc_state": "identity check (KYC)",
    "screening_state": "screening",
    "document_issuing_country": "country of the document",
    "locale": "language of the device",
    "has_biometrics": "biometric login",
    "is_pep": "politically exposed",
    "is_adverse_media_minor": "minor adverse media",
}
DONE = {
    "none": "No action.",
    "review": "An analyst reviews the customer. Off-boarding is not proposed.",
    "propose_off_boarding": "Off-boarding is proposed. A named person decides and signs.",
}


def section(results: RunResults) -> Section:
    """Show each step from a made-up customer's profile to features, reasons, a probability, a segment and an action."""
    found = results.example
    if found is None:
        return Section("example", TITLE, (absent("Example", "the bundle has no made-up customer."),))
    return Section(
        "example",
        TITLE,
        (
            Note(
                "A made-up customer",
                f"{found.customer} is synthetic: this program made the customer up to test the bundle. This section "
                "shows no customer of the tables.",
            ),
            Steps(_steps(results, found)),
            waterfall.waterfall(found, results.decisions.medium, results.decisions.high),
            _sum(found),
        ),
    )


def _steps(results: RunResults, found: Example) -> tuple[tuple[str, str], ...]:
    decisions = results.decisions
    total = found.base + found.others + sum(each.contribution for each in found.reasons)
    stated = [f"{PROFILE.get(name, name.replace('_', ' '))}: {value}" for name, value in found.profile.items()]
    return (
        ("Profile.", f"{_capital('; '.join(stated))}."),
        ("Transactions.", _transactions(found)),
        (
            "Features.",
            (
                f"{counted(found.features, 'feature')} {'is' if found.features == 1 else 'are'} computed from both; "
                f"{_missing(found)}."
            ),
        ),
        (
            "Reasons.",
            "Each feature raises or lowers the score. The strongest: "
            + "; ".join(f"{each.text} ({signed(each.contribution)})" for each in found.reasons)
            + "."
            if found.reasons
            else "No feature changes this customer's score.",
        ),
        (
            "Probability.",
            (
                f"The start value and all contributions add up to {signed(total)} in log-odds: a probability of "
                f"{written(found.probability, digits=3)}."
            ),
        ),
        ("Segment.", _segment(found, decisions.medium, decisions.high)),
        ("Patterns.", _patterns(found)),
        ("Action.", _action(results, found)),
    )


def _missing(found: Example) -> str:
    if not found.missing:
        return "each has a value for this customer"
    return f"{found.missing} {'has' if found.missing == 1 else 'have'} no value for this customer"


def _transactions(found: Example) -> str:
    if not found.transactions:
        return "The customer has no transactions. Only the profile is known."
    when = f"on {found.first}" if found.first == found.last else f"from {found.first} to {found.last}"
    return (
        f"{counted(found.transactions, 'transaction')} in {counted(found.transaction_rows, 'row')} {when}; a "
        f"transaction has a row for each state that it went through. The largest is {written(found.amount, 'euro')}."
    )


def _segment(found: Example, medium: float, high: float) -> str:
    cuts = f"Medium begins at {written(medium, digits=3)}, High at {written(high, digits=3)}"
    return f"{cuts}: the customer is {found.segment.capitalize()}."


def _patterns(found: Example) -> str:
    if found.patterns is None:
        return "The bundle has no action rule, so it has no patterns."
    if not found.patterns:
        return "No declared pattern was found in the transactions."
    described = " ".join(f"{each.code}: {each.text}" for each in found.patterns)
    return f"{counted(len(found.patterns), 'declared pattern')} found. {described}"


def _action(results: RunResults, found: Example) -> str:
    done = DONE.get(found.action, found.action)
    if found.segment != "high":
        return f"{done} The segment {found.segment.capitalize()} means: {SEGMENT_ACTIONS[found.segment]}."
    needed = counted(results.criteria_minimum, "pattern")
    return f"{done} For High, off-boarding is proposed if at least {needed} was found; otherwise an analyst reviews."


def _sum(found: Example) -> Table:
    rows = [
        ("Start value: the score without any feature", found.base),
        *((f"{each.feature}: {each.text}", each.contribution) for each in found.reasons),
        ("All other features", found.others),
    ]
    total = sum(value for _, value in rows)
    return Table(
        "From the start value to the probability, in log-odds",
        (*words("What"), *figures("Adds", "So far")),
        rows_of(
            (
                *(
                    (title, signed(value), signed(sum(each for _, each in rows[: at + 1])))
                    for at, (title, value) in enumerate(rows)
                ),
                (Cell("Probability", strong=True), "", Cell(written(found.probability, digits=3), "", strong=True)),
            )
        ),
        f"Log-odds of {signed(total)} are a probability of {written(found.probability, digits=3)}.",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
