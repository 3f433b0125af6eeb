"""Reading files that were cut or altered, or that are being written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.outbox.frames import END_WORD, FRAME, HEADER_BYTES, FrameKind, checksum, seed_of
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import hash_names
from customer_risk.serving.record.outbox.records_file import RecordsFile
from customer_risk.serving.record.outbox.writer import Outbox

BODIES = [b"record-%02d-" % number + b"x" * 30 for number in range(5)]


@pytest.fixture
def written(tmp_path) -> Path:
    """A closed file of five records, with names before the first and before the fourth."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**7, file_bytes=10**5)
    for number, body in enumerate(BODIES):
        outbox.add(body, ("x", "y"), "h" if number < 3 else "i")
    outbox.commit()
    outbox.close()
    (file,) = find_files(tmp_path / "outbox")
    return file.path


def copied(path: Path, data: bytes) -> RecordsFile:
    """Write `data` to a file of the same name in another folder; return that file."""
    folder = path.parent.parent / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / path.name).write_bytes(data)
    return RecordsFile(folder / path.name, quarantine=True)


def numbers(file: RecordsFile) -> list[int]:
    """Return the numbers of the records that can be read. These records must be unchanged."""
    found = file.read(0, 100)
    assert [kept.body for kept in found] == [BODIES[kept.seq - 1] for kept in found]
    return [kept.seq for kept in found]


def test_a_cut_last_record_loses_no_other(written) -> None:
    """If a file is cut within its last record, all earlier records are read, and the file isn't whole."""
    data = written.read_bytes()
    last = data.index(BODIES[-1]) - FRAME.size
    for end in range(last, len(data)):
        file = copied(written, data[:end])
        assert (numbers(file), file.last()) == ([1, 2, 3, 4], 4)
        assert not file.whole()


def test_an_altered_byte_loses_only_its_record(written) -> None:
    """If a byte is altered, only its record is lost and counted; the other records keep their numbers."""
    data = written.read_bytes()
    second = data.index(BODIES[1]) - FRAME.size
    for place in range(second, second + FRAME.size + len(BODIES[1])):
        altered = bytearray(data)
        altered[place] ^= 0x41
        file = copied(written, bytes(altered))
        assert (numbers(file), file.last(), file.damaged) == ([1, 3, 4, 5], 5, 1), place
        assert not file.whole()
        assert (file.path.parent / QUARANTINE / f"{file.source}-2.record").exists()


@pytest.mark.parametrize("place", range(16))
def test_records_of_a_file_with_a_damaged_header_are_read(written, place) -> None:
    """All records of a file are read, whichever byte of its header is altered."""
    data = bytearray(written.read_bytes())
    data[place] ^= 0x41
    assert numbers(copied(written, bytes(data))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("end", ["nothing", "a record", "the middle of a record", "more than the file"])
def test_records_after_the_committed_end_of_a_closed_file_are_read(written, end) -> None:
    """If no process writes a file, records after the committed end are read too: the end may be altered or too old."""
    data = bytearray(written.read_bytes())
    third = data.index(BODIES[2]) - FRAME.size
    value = {"nothing": HEADER_BYTES, "a record": third, "the middle of a record": third + 8}.get(end, len(data) + 8)
    data[8 * END_WORD : 8 * END_WORD + 8] = value.to_bytes(8, sys.byteorder)
    file = copied(written, bytes(data))
    assert (numbers(file), file.damaged) == ([1, 2, 3, 4, 5], 0)
    file.shrink()
    assert numbers(file) == [1, 2, 3, 4, 5]


def frame(content: bytes, number: int, kind: int, seed: int) -> bytes:
    """Return a frame whose checksum starts from `seed`."""
    return FRAME.pack(len(content), checksum(content, number, seed), number, kind) + content


@pytest.mark.parametrize("kind", list(FrameKind))
@pytest.mark.parametrize(
    "planted",
    [
        lambda kind, _: FRAME.pack(0, 3, 3, kind),
        lambda kind, _: FRAME.pack(0, 1 << 24, 1 << 24, kind),
        lambda kind, _: frame(b"planted!", 3, kind, 0),
        lambda _, source: frame(b"planted!", 1 << 22, FrameKind.RECORD, seed_of(source)),
    ],
    ids=["empty", "empty with a great number", "of another file", "of a number that can't follow"],
)
def test_a_frame_inside_a_damaged_record_is_skipped(tmp_path, planted, kind) -> None:
    """Bytes of a damaged record that look like a frame are skipped, and all other records are read."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**7, file_bytes=10**5)
    (empty,) = find_files(tmp_path / "outbox")
    bodies = [b"first", b"hostile " + planted(kind, empty.source) * 3, b"third"]
    for body in bodies:
        outbox.add(body)
    outbox.commit()
    outbox.close()
    data = empty.path.read_bytes()
    file = copied(empty.path, data.replace(b"hostile ", b"hOstile "))
    assert [kept.body for kept in file.read(0, 100)] == [b"first", b"third"]
    assert (file.last(), file.damaged) == (3, 1)


def test_a_damaged_record_delays_others_only_briefly(tmp_path) -> None:
    """Records after a damaged one are read after about a second, although a process still writes the file."""
    outbox = Outbox(tmp_path, most_bytes=10**7, file_bytes=10**5)
    for body in BODIES:
        outbox.add(body)
    outbox.commit()
    (file,) = find_files(tmp_path)
    place = file.path.read_bytes().index(BODIES[1])
    with file.path.open("r+b") as opened:
        opened.seek(place)
        opened.write(b"X")
    assert numbers(file) == [1]
    deadline = time.monotonic() + 600
    while file.last() < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (numbers(file), file.alive, file.damaged) == ([1, 3, 4, 5], True, 1)
    outbox.close()


def test_a_lock_of_readers_does_not_count_as_a_writer(written) -> None:
    """A file that only readers lock counts as closed."""
    with written.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_SH)
        file = RecordsFile(written)
        assert (file.alive, file.last()) == (False, 5)


def test_only_the_shipper_copies_damaged_records_to_quarantine(written) -> None:
    """Without `quarantine`, reading a damaged file changes nothing on the disk."""
    written.write_bytes(written.read_bytes().replace(BODIES[1], b"X" * len(BODIES[1])))
    assert numbers(RecordsFile(written)) == [1, 3, 4, 5]
    assert list(written.parent.iterdir()) == [written]


def test_damaged_names_are_found_in_another_file(tmp_path) -> None:
    """Names whose frame is damaged are taken from another file of the folder, where their hash proves them."""
    names = ("x", "y")
    for _ in range(2):
        outbox = Outbox(tmp_path, most_bytes=10**7, file_bytes=10**5)
        outbox.add(b"a", names, hash_names(names))
        outbox.commit()
        outbox.close()
    first, second = find_files(tmp_path)
    first.path.write_bytes(first.path.read_bytes().replace(b'"x"', b'"X"'))
    assert first.names(hash_names(names)) == names
    second.path.write_bytes(second.path.read_bytes().replace(b'"x"', b'"X"'))
    with pytest.raises(KeyError):
        second.names(hash_names(names))


def test_damaged_names_are_searched_for_once(tmp_path, monkeypatch) -> None:
    """A file whose names are lost reads the folder's other files once, not for each of its records."""
    for names in (("x", "y"), ("z",)):
        outbox = Outbox(tmp_path, most_bytes=10**7, file_bytes=10**5)
        outbox.add(b"a", names, hash_names(names))
        outbox.commit()
        outbox.close()
    # If two outboxes make files in one millisecond, the order of the files' names isn't fixed.
    file, other = sorted(find_files(tmp_path), key=lambda each: b'"x"' not in each.path.read_bytes())
    file.path.write_bytes(file.path.read_bytes().replace(b'"x"', b'"X"'))
    opened: list[Path] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(Path(path)) or real(path, *more))
    for _ in range(3):
        with pytest.raises(KeyError):
            file.names(hash_names(("x", "y")))
    assert opened.count(other.path) == 1


def test_names_are_written_again_in_the_second_half_of_a_file(tmp_path) -> None:
    """The records of a large file are read if one frame of names is damaged."""
    outbox = Outbox(tmp_path, most_bytes=10**7, file_bytes=10**5)
    for _ in range(4):
        outbox.add(b"a" * 20_000, ("x", "y"), "h")
    outbox.commit()
    outbox.close()
    (file,) = find_files(tmp_path)
    data = file.path.read_bytes()
    file.path.write_bytes(data.replace(b'"x"', b'"X"', 1))
    assert (file.names("h"), data.count(b'"x"')) == (("x", "y"), 2)


def test_damaged_names_lose_no_record(written) -> None:
    """If names are damaged, their records are read, and asking for the names raises."""
    data = written.read_bytes()
    file = copied(written, data.replace(b'["i", "x", "y"]', b'["i", "x", "z"]'))
    assert numbers(file) == [1, 2, 3, 4, 5]
    assert file.names("h") == ("x", "y")
    with pytest.raises(KeyError):
        file.names("i")
    assert not file.whole()


def test_a_file_of_noise_has_no_records(written) -> None:
    """A file of random bytes has no records, whatever its length."""
    for length in (0, 1, HEADER_BYTES - 1, HEADER_BYTES, 5000):
        file = copied(written, bytes(index * 37 % 251 for index in range(length)))
        assert (file.read(0, 10), file.last(), file.whole()) == ([], 0, False)


_WRITING = """
import sys, time
from pathlib import Path
from customer_risk.serving.record.outbox.writer import Outbox
outbox = Outbox(Path(sys.argv[1]), most_bytes=10**9, file_bytes=10**5)
number = 0
print("ready", flush=True)
end = time.monotonic() + 2
while time.monotonic() < end:
    outbox.add(b"%08d" % number + b"y" * (number * 7919 % 5000))
    outbox.commit()
    number += 1
print(number, flush=True)
sys.stdin.read()
"""


def test_a_concurrent_reader_finds_each_record_once(tmp_path) -> None:
    """While another process writes, a reader finds each record once, complete and in order."""
    folder = tmp_path / "outbox"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITING, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "ready\n"
    files: dict[str, RecordsFile] = {}
    found: dict[str, list[bytes]] = {}

    def look() -> None:
        for file in find_files(folder):
            known = files.setdefault(file.source, file)
            bodies = found.setdefault(file.source, [])
            with contextlib.suppress(FileNotFoundError):  # an empty file, which its writer removed
                bodies += [kept.body for kept in known.read(len(bodies), 10_000)]

    while writer.poll() is None:
        look()
        if select.select([writer.stdout], [], [], 0)[0]:
            break
    total = int(writer.stdout.readline())
    deadline = time.monotonic() + 600
    while sum(map(len, found.values())) < total:
        assert time.monotonic() < deadline
        look()
    bodies = [body for source in sorted(found) for body in found[source]]
    assert bodies == [b"%08d" % number + b"y" * (number * 7919 % 5000) for number in range(total)]
    assert all(file.damaged == 0 for file in files.values())
    writer.stdin.close()
    writer.stdout.close()
    assert writer.wait(600) == 0


def test_space_of_a_killed_process_is_freed(written) -> None:
    """Unused space of a killed process is freed, and the records stay."""
    file = copied(written, written.read_bytes() + bytes(50_000))
    file.shrink()
    assert file.size() == file.used() == written.stat().st_size
    assert numbers(file) == [1, 2, 3, 4, 5]
