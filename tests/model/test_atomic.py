"""Output that appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from customer_risk.model.atomic import new_folder, sync_tree, write_file


class Broken(Exception):
    """Something that goes wrong half-way."""


def test_file_is_replaced_whole(tmp_path):
    """The new content takes the old one's place, and no temporary file stays."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    write_file(path, b"new", mode=0o400)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o400
    assert list(tmp_path.iterdir()) == [path]


def test_file_stays_as_it_was_when_the_rename_fails(tmp_path):
    """What can't be put in place is removed."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        write_file(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_folder_appears_when_its_block_ends(tmp_path):
    """Nobody sees the folder half-filled."""
    place = tmp_path / "deep" / "place"
    with new_folder(place) as filling:
        (filling / "inside").mkdir()
        (filling / "inside" / "file").write_text("content")
        assert not place.exists()
    assert (place / "inside" / "file").read_text() == "content"
    assert list(place.parent.iterdir()) == [place]


def test_nothing_appears_when_the_block_fails(tmp_path):
    """A failure leaves neither the folder nor its temporary twin."""

    def fill() -> None:
        with new_folder(tmp_path / "place") as filling:
            (filling / "file").write_text("half")
            raise Broken

    with pytest.raises(Broken):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_in_the_way_is_taken(tmp_path):
    """An empty folder holds nothing to lose."""
    (tmp_path / "place").mkdir()
    with new_folder(tmp_path / "place") as filling:
        (filling / "file").touch()
    assert (tmp_path / "place" / "file").exists()


def test_filled_folder_in_the_way_is_never_replaced(tmp_path):
    """Of two writers the first one's folder stays."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "mine").touch()
    with pytest.raises(OSError, match="place"), new_folder(tmp_path / "place") as filling:
        (filling / "theirs").touch()
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_replaced_folder_is_gone_once_the_new_one_stands(tmp_path):
    """Replacing leaves one folder, the new one."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").touch()
    with new_folder(tmp_path / "place", replace=True) as filling:
        (filling / "new").touch()
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    """A failing rename loses nothing."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").touch()
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise OSError("the disk went away")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="went away"), new_folder(tmp_path / "place", replace=True) as filling:
        (filling / "new").touch()
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_syncing_reaches_every_file(tmp_path, monkeypatch):
    """Nested files and folders are synced."""
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda open_file: synced.add(Path(f"/proc/self/fd/{open_file}").readlink()))
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    sync_tree(tmp_path)
    assert synced == {tmp_path, *tmp_path.rglob("*")}
