"""The sentences for what cleaning counts in a cohort's tables, by key."""

from __future__ import annotations

from typing import Final

from customer_risk.model.tables.checks import CHECKS

_COUNTED: Final = {
    "customers": "Customers in the cohort.",
    "suspended_customers": "Customers who were ever SUSPENDED, also if another row says ACTIVE.",
    "customers_with_both_labels": "Customers with rows that say SUSPENDED and rows that say ACTIVE (suspended).",
    "profile_rows": "Rows of the users file.",
    "repeated_profile_rows": "Profile rows after a customer's first (collapsed to one row per customer).",
    "customers_on_several_rows": "Customers with several profile rows (repeated snapshots).",
    "customers_with_changing_profile": (
        "Customers whose profile rows differ in a field. The most frequent value is used; of equally frequent values, "
        "the first in alphabetical order, because the order of the file may mean nothing."
    ),
    "customers_without_events": "Customers without a transaction (scored by their profile alone).",
    "missing_profile_values": "Profile fields without a value, after collapsing.",
    "unreadable_profile_values": "Profile fields whose value can't be read as the column's type (missing).",
    "cut_phone_codes": (
        "Customers whose phone code is not a country's code. It was cut to '+' and two digits, so codes are compared "
        "by prefix."
    ),
    "overseas_customers": (
        "Customers who live in a French overseas territory. A French document is not a mismatch for them, and their "
        "nights follow their own time zone."
    ),
    "event_rows": "Rows of the transactions file.",
    "repeated_event_rows": "Event rows that equal an earlier row in every column (dropped).",
    "transactions": "Transactions (ids) in the transactions file.",
    "transactions_on_several_rows": "Transactions with several rows: the file lists states, not transactions.",
    "transactions_in_several_states": "Transactions with rows of several states.",
    "transactions_still_pending": "Transactions that are PENDING in all their rows.",
    "transactions_with_changed_amount": "Transactions whose amount differs between their states (a tip, a fuel pump).",
    "events_of_other_cohort": "Event rows of customers of the other cohort (dropped).",
    "customers_of_other_cohort": "Customers of the other cohort who have rows in this cohort's transactions file.",
    "events_of_no_customer": "Event rows of customers who are in no users file of the folder (dropped).",
    "manual_events": (
        "Event rows that the bank's staff made (MANUAL), mostly for suspended customers. They are a trace of the "
        "outcome, so features leave them out."
    ),
    "zero_amount_card_checks": "Card payments of EUR 0: checks of the card.",
    "zero_amount_fees": "Fees of EUR 0: waived fees.",
    "events_in_other_currencies": "Event rows whose currency isn't EUR.",
    "converted_events": "Event rows whose amount was converted to EUR by the mapping's rates.",
    "completed_before_created": (
        "Event rows that were completed before they were created. Two clocks cause this; up to a second is allowed."
    ),
    "constant_columns": "Columns with one value in every row (kept, but nothing can be learned from them).",
    "absent_columns": "Columns that this cohort's files lack (empty).",
    "set_aside_rows": "Rows dropped because they fail a rule. The list of failing rows contains each of them.",
    "kept_events": "Event rows that features are computed from.",
    "kept_transactions": "Transactions that features are computed from.",
}

TRAPS: Final[dict[str, str]] = _COUNTED | {
    f"failed_{rule.name}": f"Rows with {rule.failure} ({rule.effect})." for rule in CHECKS
}
