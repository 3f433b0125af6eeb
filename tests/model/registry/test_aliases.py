"""The registry's document, without any folder."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.errors import RegistryError
from customer_risk.model.registry import aliases as documents
from customer_risk.model.registry.aliases import Aliases, Author

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
AUTHOR = Author(by="someone", at="2026-01-05T09:30:00Z", why="a reason")


def test_new_champion_moves_the_old_one_to_previous():
    """A promotion keeps the champion that it replaces as previous."""
    after = documents.promote(documents.promote(Aliases(), A, "champion", AUTHOR), B, "champion", AUTHOR)
    assert (after.champion, after.previous) == (B, A)


def test_challenger_that_wins_is_challenger_no_more():
    """A challenger that becomes champion leaves its alias empty."""
    after = documents.promote(documents.promote(Aliases(), A, "challenger", AUTHOR), A, "champion", AUTHOR)
    assert (after.champion, after.challenger) == (A, None)


def test_promoting_the_challenger_leaves_champion_and_previous_alone():
    """A new challenger touches no other alias."""
    before = Aliases(champion=A, previous=B)
    after = documents.promote(before, C, "challenger", AUTHOR)
    assert after.held() == {"champion": A, "challenger": C, "previous": B}


def test_promoting_the_champion_again_changes_nothing():
    """The champion promoted twice doesn't push itself into previous."""
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
    """There must be something to go back to."""
    with pytest.raises(RegistryError, match="no previous champion"):
        documents.roll_back(before, AUTHOR)


@pytest.mark.parametrize("change", [documents.promote, documents.roll_back])
def test_change_of_alias_without_a_reason_is_refused(change):
    """Blanks are no reason."""
    silent = msgspec.structs.replace(Aliases(champion=A, previous=B))
    blank = Author(by="someone", at=AUTHOR.at, why="  ")
    with pytest.raises(RegistryError, match="needs its reason"):
        change(silent, blank) if change is documents.roll_back else change(silent, C, "champion", blank)


def test_history_is_only_appended_to_and_says_who_when_and_why():
    """Each change adds one line behind the others."""
    document = documents.add(Aliases(), A, AUTHOR)
    document = documents.promote(document, A, "champion", AUTHOR)
    later = documents.promote(document, B, "champion", Author(by="other", at="2026-02-01T00:00:00Z", why="newer"))
    assert later.history[:2] == document.history
    line = later.history[2]
    assert (line.action, line.alias, line.bundle, line.replaced) == ("promote", "champion", B, A)
    assert (line.by, line.at, line.why) == ("other", "2026-02-01T00:00:00Z", "newer")


def test_adding_twice_is_written_down_once():
    """The history names the first adding alone."""
    document = documents.add(Aliases(), A, AUTHOR)
    assert documents.add(document, A, AUTHOR) is document


def test_document_reads_back_as_it_was_written():
    """What is encoded decodes to the same."""
    document = documents.promote(documents.add(Aliases(), A, AUTHOR), A, "champion", AUTHOR)
    assert documents.decode(documents.encode(document), "aliases.json") == document


def test_champion_stands_at_the_top_of_the_written_document():
    """Other programs read the champion as a field of the JSON object."""
    document = documents.promote(Aliases(), A, "champion", AUTHOR)
    assert msgspec.json.decode(documents.encode(document))["champion"] == A


@pytest.mark.parametrize("content", [b"{", b'{"champion": 3}', b'{"champoin": null}', b""])
def test_unreadable_document_is_refused(content):
    """A torn or foreign file is named and never overwritten."""
    with pytest.raises(RegistryError, match=r"here/aliases\.json can't be read"):
        documents.decode(content, "here/aliases.json")


def test_document_of_another_schema_version_is_refused():
    """A newer release's registry isn't touched."""
    with pytest.raises(RegistryError, match="schema version 2"):
        documents.decode(b'{"schema_version": 2}', "aliases.json")
