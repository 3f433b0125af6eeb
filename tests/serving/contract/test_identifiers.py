"""UUID version 7."""

from __future__ import annotations

import multiprocessing
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.contract.identifiers import uuid7

_LATEST = (2**64 - 1) // 1_000_000  # the library takes nanoseconds in 64 bits: the year 2554


@given(st.integers(0, _LATEST))
def test_an_id_has_version_variant_and_time(milliseconds: int) -> None:
    """The text is canonical, the version is 7, the variant is RFC 9562's, and the first 48 bits are the time."""
    text = uuid7(milliseconds)
    made = UUID(text)
    assert (str(made), made.version, made.variant, made.int >> 80) == (text, 7, RFC_4122, milliseconds)


def test_ids_sort_by_time() -> None:
    """The texts of later milliseconds sort after those of earlier ones."""
    made = [uuid7(1_700_000_000_000 + later) for later in range(1000)]
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ() -> None:
    """The random bits make ids of the same millisecond different."""
    assert len({uuid7(1_700_000_000_000) for _ in range(1000)}) == 1000


def test_forked_processes_make_different_ids() -> None:
    """Processes forked from one parent, which has made an id, make different ids in the same millisecond."""
    own = uuid7(1_700_000_000_000)
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        made = pool.map(_ids, range(3), chunksize=1)
    ids = [own, *(each for some in made for each in some)]
    assert len(set(ids)) == len(ids) == 301


def _ids(_: int) -> list[str]:
    return [uuid7(1_700_000_000_000) for _ in range(100)]
