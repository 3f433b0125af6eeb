"""Idempotency keys: the same request, sent again."""

from __future__ import annotations

import asyncio
import itertools
import time

import msgspec
import pytest

from customer_risk.model.errors import InputError
from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.errors import Conflict, Overloaded
from customer_risk.serving.store.file import FileStore
from customer_risk.serving.store.idempotency import Idempotency


@pytest.fixture
def store(tmp_path):
    """A store."""
    opened = FileStore(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def once(store):
    """Return a function that sends a request with an idempotency key; its options replace parts of the request."""
    keys = Idempotency(store, reserve_seconds=0.3, wait_seconds=0.1)
    counter = itertools.count()

    def ask(**options):
        request = {"caller": LOCAL, "route": "/r", "key": "k", "body": b"{}", "produce": lambda: b"%d" % next(counter)}
        return asyncio.run(keys.once(**(request | options)))

    return ask


def test_the_same_request_gets_the_same_answer(once) -> None:
    """A repeated request gets the same bytes."""
    assert once() == once() == b"0"


@pytest.mark.parametrize(
    "differs", [{"key": "l"}, {"route": "/s"}, {"caller": msgspec.structs.replace(LOCAL, name="o")}]
)
def test_keys_are_separate_by_caller_and_route(once, differs) -> None:
    """The same key of another caller or on another route is another key."""
    once()
    assert once(**differs) == b"1"


@pytest.mark.parametrize(
    "differs", [{"body": b"[]"}, {"caller": msgspec.structs.replace(LOCAL, scopes=frozenset(("score",)))}]
)
def test_a_key_used_for_another_request_is_a_conflict(once, differs) -> None:
    """A key with another body, or another right to explanations, is a conflict."""
    once()
    with pytest.raises(Conflict):
        once(**differs)


def test_a_failure_is_not_stored(once) -> None:
    """After a failure, the next attempt is answered anew."""

    def fail() -> bytes:
        raise Overloaded("Busy.", remedy="Wait.")

    with pytest.raises(Overloaded, match="Busy"):
        once(produce=fail)
    assert once() == b"0"


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256, "k\n"])
def test_a_bad_key_is_refused(once, key) -> None:
    """An invalid key raises InputError."""
    with pytest.raises(InputError, match="Idempotency-Key"):
        once(key=key)


def test_a_second_request_is_refused_during_the_first(store) -> None:
    """While the first request with a key is being answered, another one is refused."""
    keys = Idempotency(store, reserve_seconds=600, wait_seconds=0.1)

    def ask(produce) -> bytes:
        return asyncio.run(keys.once(LOCAL, "/r", "k", b"{}", produce))

    def meanwhile() -> bytes:
        with pytest.raises(Overloaded, match="under way"):
            ask(lambda: b"second")
        return b"first"

    assert ask(meanwhile) == b"first"


def test_the_reservation_of_a_dead_process_expires(once) -> None:
    """The reservation of a dead process expires."""

    def die() -> bytes:
        time.sleep(0.35)  # past the reservation, which another then makes
        assert once() == b"0"
        return b"late"

    assert once(produce=die) == b"0"


def test_an_answer_is_stored_even_if_its_reservation_is_lost(once, store) -> None:
    """If the store loses a reservation while its request is being answered, the answer is stored nevertheless."""

    def lose() -> bytes:
        for key in store.keys("once/"):
            store.remove(key)
        return b"made"

    assert once(produce=lose) == b"made"
    assert once() == b"made"
