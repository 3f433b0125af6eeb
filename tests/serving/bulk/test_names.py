"""Names of columns in messages."""

from __future__ import annotations

import pytest

from customer_risk.model.names import quoted, similar_name
from customer_risk.serving.bulk.names import describe_ignored, list_quoted


def test_a_name_is_shortened_to_one_line() -> None:
    """A long name with line ends is shortened to one line."""
    assert quoted("a\r" * 100_000) == repr("a " * 30 + "...")
    assert quoted("x" * 60) == repr("x" * 60)


def test_blanks_of_a_name_are_shown() -> None:
    """By which it differs from the name that is meant."""
    assert (quoted(" customer_id"), quoted("a\n")) == ("' customer_id'", "'a\\n'")
    assert describe_ignored(["a "], {"a"}) == ("'a ' (is a meant?)",)


def test_many_names_are_counted() -> None:
    """The first twenty names are listed, and the others are counted."""
    assert list_quoted([f"c{place}" for place in range(23)]).endswith("'c19' and 3 more")
    assert (list_quoted(["a", "b"]), list_quoted([])) == ("'a', 'b'", "none")


@pytest.mark.parametrize(
    "name", ["customerId", "Customer_ID", " customer_id ", "customer-id", "\ufeffcustomer_id", "CUSTOMER ID"]
)
def test_a_name_that_differs_in_case_or_blanks_is_marked(name) -> None:
    """A name that differs only in case, blanks and punctuation is like the known one."""
    assert similar_name(name, ("request", "customer_id")) == "customer_id"


@pytest.mark.parametrize("name", ["customer_id", "customer", "", " ", "_"])
def test_other_names_are_not_marked(name) -> None:
    """The known name itself, and other names, are not marked."""
    assert similar_name(name, ("customer_id",)) is None


def test_ignored_columns_are_listed_with_the_name_that_may_be_meant() -> None:
    """At most twenty ignored columns are listed, each shortened, and the others are counted."""
    assert describe_ignored(["Age_Years", "remark"], {"age_years"}) == ("Age_Years (is age_years meant?)", "remark")
    many = describe_ignored([f"{place}{'x' * 100}" for place in range(30)], {"age_years"})
    assert (len(many), many[-1], max(map(len, many))) == (21, "and 10 more", 63)
