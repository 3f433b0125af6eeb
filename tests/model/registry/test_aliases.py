"""The registry's document, without a folder."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.errors import RegistryError
from customer_risk.model.registry import aliases as documents
from customer_risk.model.registry.aliases import Aliases, Author

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
AUTHOR = Author(by="someone", at="2026-01-05T09:30:00Z", why="a reason")


@pytest.mark.parametrize(
    ("before", "version", "alias", "held"),
    [
        (Aliases(champion=A), B, "champion", {"champion": B, "previous": A}),
        (Aliases(challenger=A), A, "champion", {"champion": A}),
        (Aliases(champion=A, previous=B), C, "challenger", {"champion": A, "challenger": C, "previous": B}),
    ],
    ids=["a new champion", "the challenger", "a new challenger"],
)
def test_promotion_moves_the_aliases(before, version, alias, held):
    """The old champion becomes previous, a challenger that becomes champion loses its alias, others don't change."""
    assert documents.promote(before, version, alias, AUTHOR).held() == held


def test_promoting_the_champion_again_changes_nothing():
    """If the champion is promoted again, previous doesn't change."""
    before = documents.promote(Aliases(previous=B), A, "champion", AUTHOR)
    assert documents.promote(before, A, "champion", AUTHOR) is before


def test_rollback_swaps_and_swaps_back():
    """A rollback can itself be rolled back."""
    before = Aliases(champion=A, previous=B)
    once = documents.roll_back(before, AUTHOR)
    assert (once.champion, once.previous) == (B, A)
    twice = documents.roll_back(once, AUTHOR)
    assert (twice.champion, twice.previous) == (A, B)


@pytest.mark.parametrize("before", [Aliases(), Aliases(champion=A), Aliases(previous=A)])
def test_rollback_without_a_previous_champion_is_refused(before):
    """A rollback needs a champion and a previous champion."""
    with pytest.raises(RegistryError, match="no previous champion"):
        documents.roll_back(before, AUTHOR)


@pytest.mark.parametrize("change", [documents.promote, documents.roll_back])
def test_change_of_alias_without_a_reason_is_refused(change):
    """A reason of white space is refused."""
    silent = msgspec.structs.replace(Aliases(champion=A, previous=B))
    blank = Author(by="someone", at=AUTHOR.at, why="  ")
    with pytest.raises(RegistryError, match="needs a reason"):
        change(silent, blank) if change is documents.roll_back else change(silent, C, "champion", blank)


def test_history_is_only_appended_to_and_says_who_when_and_why():
    """Each change adds one entry after the others."""
    document = documents.add(Aliases(), A, AUTHOR)
    document = documents.promote(document, A, "champion", AUTHOR)
    later = documents.promote(document, B, "champion", Author(by="other", at="2026-02-01T00:00:00Z", why="newer"))
    assert later.history[:2] == document.history
    line = later.history[2]
    assert (line.action, line.alias, line.bundle, line.replaced) == ("promote", "champion", B, A)
    assert (line.by, line.at, line.why) == ("other", "2026-02-01T00:00:00Z", "newer")


def test_adding_twice_is_written_down_once():
    """The history has only the first adding of a bundle."""
    document = documents.add(Aliases(), A, AUTHOR)
    assert documents.add(document, A, AUTHOR) is document


def test_document_reads_back_as_it_was_written():
    """The encoded document decodes to the same, and has the champion as a field."""
    document = documents.promote(documents.add(Aliases(), A, AUTHOR), A, "champion", AUTHOR)
    assert documents.decode(documents.encode(document), "aliases.json") == document
    assert msgspec.json.decode(documents.encode(document))["champion"] == A


@pytest.mark.parametrize("content", [b"{", b'{"champion": 3}', b'{"champoin": null}', b""])
def test_unreadable_document_is_refused(content):
    """The message names a damaged document or another file."""
    with pytest.raises(RegistryError, match=r"here/aliases\.json can't be read"):
        documents.decode(content, "here/aliases.json")


def test_document_of_another_schema_version_is_refused():
    """The document of a newer release is refused."""
    with pytest.raises(RegistryError, match="schema version 2"):
        documents.decode(b'{"schema_version": 2}', "aliases.json")
