"""Compares the names of people."""

from __future__ import annotations

import pytest

from customer_risk.model.offboarding.people import Person, is_name, same_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann Example", "ann example"),
        ("Ann Example", "  Ann \t Example\n"),
        ("Ann Example", "Ann\u00a0Example"),
        ("Ann Example", "\uff21\uff4e\uff4e Example"),
        ("Zoë", "Zoe\u0308"),
        ("Strauß", "STRAUSS"),
        ("Ann", "A\u200bn\u00adn"),
        ("\ufb01nn", "Finn"),
        ("Ann Example", "AnnExample"),
        *(
            (f"Ann{between}Example", f"A{mark}nn Example{mark}")
            for mark in "\u200b\u034f\u115f\u180b\u2800\u3164\ufe0f\uffa0\U000e0100\x00\x1b"
            for between in (" ", mark, f" {mark}")
        ),
    ],
)
def test_same_name_however_it_is_written(one, other):
    """Names are equal whatever their case, white space, form of letters and invisible characters."""
    assert same_name(one, other)


@pytest.mark.parametrize("other", ["Ann Exemple", "Ann", "", "Zoe"])
def test_other_name(other):
    """Names with different letters differ."""
    assert not same_name("Ann Example", other)
    assert not same_name("Zoë", other)


def test_empty_list_allows_every_person():
    """An empty list allows every person."""
    assert Person("Ann Example").is_on(())


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("Ann", True),
        ("Ö.Ü", True),
        ("X.", False),
        ("12", False),
        ("TBD", False),
        ("T\u200bBD", False),
        ("\u3164\u3164", False),
        ("\u115f\uffa0", False),
    ],
)
def test_what_can_be_a_name(name, is_one):
    """A name has two visible letters, and isn't a placeholder."""
    assert is_name(name) == is_one


def test_text_says_whether_a_name_is_verified():
    """The text says whether the name is verified or claimed."""
    assert Person("Ann").tell() == "Ann (claimed)"
    assert Person("Ann", verified=True, issuer="i", subject="s").tell() == "Ann (verified)"
