"""What a cohort's tables are watched for: each trap's key and its sentence for the report."""

from __future__ import annotations

from typing import Final

from customer_risk.model.tables.checks import CHECKS

_MET: Final = {
    "customers": "Customers in the cohort.",
    "suspended_customers": "Customers ever SUSPENDED; one who also stands as ACTIVE counts as suspended.",
    "customers_with_both_labels": "Customers who stand as SUSPENDED and as ACTIVE; they count as suspended.",
    "profile_rows": "Rows of the users file.",
    "repeated_profile_rows": "Profile rows beyond a customer's first; they were collapsed to one row a customer.",
    "customers_on_several_rows": "Customers who stand on several profile rows (repeated snapshots).",
    "customers_with_changing_profile": (
        "Customers whose snapshots differ in a field: the most frequent value was taken, of equally frequent ones the "
        "first in the alphabet, since the file's order proves nothing."
    ),
    "customers_without_events": "Customers who never transacted; they are scored by profile alone.",
    "missing_profile_values": "Profile fields without a value, after collapsing.",
    "unreadable_profile_values": "Profile fields whose value is not of the column's type; taken as missing.",
    "cut_phone_codes": (
        "Customers whose phone code is no country's: it is cut to '+' and two digits, so codes are compared by prefix."
    ),
    "overseas_customers": (
        "Customers who live in a French overseas territory: their documents are French without being a mismatch, and "
        "their nights are those of their own zone."
    ),
    "event_rows": "Rows of the transactions file.",
    "repeated_event_rows": "Event rows that repeat a row above in every column; set aside.",
    "transactions": "Transactions (ids) in the transactions file.",
    "transactions_on_several_rows": "Transactions on several rows: the file is a log of states, not a list.",
    "transactions_in_several_states": "Transactions with rows of several states; an id with another state is an event.",
    "transactions_still_pending": "Transactions that were never seen to end.",
    "transactions_with_changed_amount": "Transactions whose amount differs between their states (a tip, a fuel pump).",
    "events_of_other_cohort": "Event rows of customers of the other cohort; set aside.",
    "customers_of_other_cohort": "Customers of the other cohort whose events stand in this cohort's file.",
    "events_of_no_customer": "Event rows of customers who stand in no users file that is there; set aside.",
    "manual_events": (
        "Event rows of the bank's own hand (MANUAL), mostly at suspended customers: a trace of the outcome, which "
        "features leave out."
    ),
    "zero_amount_card_checks": "Card payments of EUR 0: checks of the card, a kind of their own.",
    "zero_amount_fees": "Fees of EUR 0: waived.",
    "events_in_other_currencies": "Event rows whose currency isn't EUR.",
    "converted_events": "Event rows whose amount was converted to EUR by the mapping's rates.",
    "completed_before_created": "Event rows that complete before they were created (two clocks); a second is allowed.",
    "constant_columns": "Columns with one value in every row; they stay and can teach nothing.",
    "absent_columns": "Columns that this cohort's files lack; they are null.",
    "set_aside_rows": "Rows set aside because they fail a rule; each stands in the list of failing rows.",
    "kept_events": "Event rows that remain for features.",
    "kept_transactions": "Transactions that remain for features.",
}

TRAPS: Final[dict[str, str]] = _MET | {
    f"failed_{rule.name}": (
        f"Rows for which it is not so that {rule.sentence}; {'set aside' if rule.sets_aside else 'kept'}."
    )
    for rule in CHECKS
}
