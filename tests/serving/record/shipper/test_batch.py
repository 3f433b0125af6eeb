"""Batches, and the reader that shares them among workers."""

from __future__ import annotations

from customer_risk.serving.record.shipper.batch import Reader, gather


def test_workers_at_the_same_place_share_a_batch(left) -> None:
    """Workers at the same place share a batch, even if the second could have more records."""
    file, _ = left(range(1, 11))
    reader = Reader(keep=2)
    first = reader.next(file, 1, 4, most_bytes=10**6)
    assert reader.next(file, 1, 8, most_bytes=10**6) is first
    assert list(reader.next(file, 5, 8, most_bytes=10**6).numbers) == [5, 6, 7, 8]


def test_a_batch_has_at_most_the_requested_records(left) -> None:
    """A worker that asks for fewer records gets a batch of its own."""
    file, _ = left(range(1, 11))
    reader = Reader(keep=2)
    reader.next(file, 1, 8, most_bytes=10**6)
    assert reader.next(file, 1, 4, most_bytes=10**6).last == 4


def test_batches_of_different_files_are_different(left) -> None:
    """The same numbers of two files are different batches."""
    one, other = left(range(1, 4))[0], left(range(4, 7))[0]
    reader = Reader(keep=2)
    records = [reader.next(file, 1, 3, most_bytes=10**6).records for file in (one, other)]
    assert records[0] != records[1]


def test_only_the_latest_batches_stay(left) -> None:
    """The reader keeps as many batches as `keep` says; by default it keeps no batch."""
    file, _ = left(range(1, 5))
    for keep in (0, 1):
        reader = Reader(keep=keep)
        first = reader.next(file, 1, 1, most_bytes=10**6)
        reader.next(file, 2, 2, most_bytes=10**6)
        assert reader.next(file, 1, 1, most_bytes=10**6) is not first


def test_a_plan_is_read_whatever_its_hours(left) -> None:
    """A stored plan is read again in full, even if its records are of several hours."""
    file, _ = left(range(1, 3), at=0)
    left_out = gather(file, 1, 5)
    assert (list(left_out.numbers), left_out.left_out()) == ([1, 2], (3, 4, 5))
