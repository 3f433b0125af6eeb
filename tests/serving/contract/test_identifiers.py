"""UUID version 7."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.contract.identifiers import uuid7


def test_the_example_of_the_standard_comes_out() -> None:
    """RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC with its rand_a 0xCC3 and rand_b 0x18C4DC0C0C07398F."""
    chance = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert UUID(uuid7(0x017F22E279B0, chance)) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_version_variant_and_time_are_in_their_places(milliseconds: int, chance: int) -> None:
    """Whatever the time and the chance, the version is 7, the variant RFC 9562's, and the first 48 bits the time."""
    made = UUID(uuid7(milliseconds, chance))
    assert (made.version, made.variant, made.int >> 80) == (7, RFC_4122, milliseconds)


def test_a_later_one_sorts_after_an_earlier_one() -> None:
    """As text they are in the order of their milliseconds."""
    assert uuid7(1_700_000_000_000) < uuid7(1_700_000_000_001)


def test_two_of_one_millisecond_differ() -> None:
    """Chance keeps apart what time doesn't."""
    assert len({uuid7(1_700_000_000_000) for _ in range(1000)}) == 1000
