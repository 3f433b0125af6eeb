"""The section on one made-up customer."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.results import ExamplePattern
from customer_risk.model.report.plots.canvas import drawn
from customer_risk.model.report.sections.example import section

replace = msgspec.structs.replace


def changed(results, **changes):
    """Return the results with a changed example."""
    return replace(results, example=replace(results.example, **changes))


def test_the_example_has_every_step_in_order(results, words_of):
    """Profile, transactions, features, reasons, probability, segment, patterns and action are in this order."""
    text = words_of(section(results))
    leads = ["Profile.", "Transactions.", "Features.", "Reasons.", "Probability.", "Segment.", "Patterns.", "Action."]
    places = [text.index(f"\n{lead} ") for lead in leads]
    assert places == sorted(places)
    assert "Country of residence: FR; occupation: not stated; politically exposed: no." in text
    assert "3 transactions in 5 rows from 2024-08-01 to 2024-08-03" in text
    assert "6 features are computed from both; 1 has no value for this customer." in text
    assert "67% of the transactions were at night (+1.75)" in text
    assert "a probability of 0.599" in text
    assert "Medium begins at 0.200, High at 0.600: the customer is High." in text
    assert "1 declared pattern found. PASS_THROUGH: 1,100 EUR that came in left again within 24 hours." in text
    assert "Off-boarding is proposed. A named person decides and signs." in text


def test_the_contributions_add_up_in_the_table(results):
    """The running sum of the second last row is the log-odds of the probability."""
    table = next(block for block in section(results).blocks if block.kind == "table")
    assert [row[2].main for row in table.rows][-2:] == ["+0.40", "0.599"]


def test_the_example_begins_with_the_note_that_it_is_made_up(results, words_of):
    """The section begins with the statement that the customer is made up."""
    text = words_of(section(results))
    assert text.splitlines()[1].startswith(
        "A made-up customer golden-7 is synthetic: this program made the customer up"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"action": "review", "patterns": ()},
            "An analyst reviews the customer. Off-boarding is not proposed. For High, off-boarding is",
        ),
        ({"action": "none", "segment": "low"}, "No action. The segment Low means: no action."),
        ({"patterns": None}, "The bundle has no action rule, so it has no patterns."),
        ({"patterns": ()}, "No declared pattern was found in the transactions."),
        (
            {"patterns": tuple(ExamplePattern(code=code, text="Seen.") for code in "AB")},
            "2 declared patterns found. A: Seen. B: Seen.",
        ),
        (
            {"transactions": 0, "first": None, "last": None},
            "The customer has no transactions. Only the profile is known.",
        ),
        ({"transactions": 1, "transaction_rows": 1, "last": "2024-08-01"}, "1 transaction in 1 row on 2024-08-01;"),
        ({"missing": 0}, "each has a value for this customer"),
        ({"reasons": ()}, "No feature changes this customer's score."),
    ],
)
def test_unusual_customers_have_complete_sentences(results, words_of, changes, said):
    """Customers with single, missing or absent items have complete sentences and a figure."""
    made = section(changed(results, **changes))
    assert said in words_of(made)
    assert drawn(next(block for block in made.blocks if block.kind == "picture"))
