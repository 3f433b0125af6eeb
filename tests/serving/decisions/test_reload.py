"""Reloading of bundles."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from customer_risk.model.errors import BundleAltered, BundleError
from customer_risk.model.scoring import bundle as bundles
from customer_risk.serving.decisions import reload
from customer_risk.serving.decisions.reload import Reloader, identity

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def another(bundle, tmp_path) -> Callable[[int], Path]:
    """Make a bundle that differs from the small real one in its seed, and so in its version."""

    def made(seed: int) -> Path:
        folder = tmp_path / f"bundle-{seed}"
        manifest = msgspec.structs.replace(bundles.load_bundle(bundle, verify_golden=False).manifest, seed=seed)
        bundles.write_bundle(folder, manifest, {name: (bundle / name).read_bytes() for name in bundles.FILES})
        return folder

    return made


@pytest.fixture
def link(bundle, tmp_path) -> Path:
    """A symbolic link to the small real bundle."""
    made = tmp_path / "current"
    made.symlink_to(bundle)
    return made


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name("next")
    beside.symlink_to(folder)
    beside.replace(link)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  what is watched knows no events
        await asyncio.sleep(0.01)


def test_a_verified_bundle_is_used(link) -> None:
    """A valid bundle is used, and the state has its version."""
    used, told = [], []
    reloader = Reloader(link, used.append, after=told.append, clock=lambda: 7.0)
    assert reloader.load() == "taken"
    assert [each.version for each in used] == [reloader.state.version]
    assert told == ["taken"]
    assert (reloader.state.refusal, reloader.state.at) == (None, 7.0)


def test_the_same_bundle_again_changes_nothing(link) -> None:
    """The same bundle is reported as unchanged, and not used again."""
    used, told = [], []
    reloader = Reloader(link, used.append, after=told.append)
    reloader.load()
    assert reloader.load() == "unchanged"
    assert len(used) == 1
    assert told == ["taken", "unchanged"]


def test_a_bad_bundle_leaves_the_last_valid_one_in_use(link, another, caplog) -> None:
    """A bad bundle is never used; the log, the state and the callback have the refusal."""
    used, told = [], []
    reloader = Reloader(link, used.append, after=told.append)
    reloader.load()
    good, bad = reloader.state.version, another(8)
    (bad / "trees.json").write_bytes(b"{}")
    _point(link, bad)
    assert asyncio.run(reloader.reload()) == "refused"
    assert len(used) == 1
    assert told == ["taken", "refused"]
    assert reloader.state.version == good
    assert "trees.json was altered" in (reloader.state.refusal or "")
    assert f"bundle {good[:12]} keeps answering: " in caplog.text
    assert "Traceback" not in caplog.text


def test_an_unexpected_error_is_logged_with_its_traceback(link, caplog) -> None:
    """If using a bundle fails, the last valid bundle stays in use."""

    def fail(_: object) -> None:
        raise ZeroDivisionError("inside")

    reloader = Reloader(link, fail)
    assert asyncio.run(reloader.reload()) == "refused"
    assert "not ready: inside" in caplog.text
    assert "Traceback" in caplog.text


def test_the_first_load_raises_its_error(tmp_path) -> None:
    """The first load raises its error."""
    with pytest.raises(BundleError, match="There is no bundle at"):
        Reloader(tmp_path, print).load()


def test_a_changed_link_is_noticed(link, another, caplog) -> None:
    """The watcher uses another bundle."""
    caplog.set_level(logging.INFO, "serving")
    used = []
    reloader = Reloader(link, used.append)
    reloader.load()

    async def watched() -> None:
        watching = asyncio.create_task(reloader.watch(0.01))
        await asyncio.sleep(0.05)
        assert len(used) == 1
        _point(link, another(9))
        await _until(lambda: len(used) == 2)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 20))
    assert used[0].version != used[1].version
    assert f"bundle {used[1].version[:12]} taken" in caplog.text


def test_a_copied_bundle_is_used_once_it_is_complete(bundle, another, tmp_path) -> None:
    """A bundle that is copied file by file is refused until it is complete."""
    folder, used = tmp_path / "here", []
    shutil.copytree(bundle, folder)
    reloader = Reloader(folder, used.append)
    reloader.load()

    async def copied() -> None:
        watching = asyncio.create_task(reloader.watch(0.01))
        source = another(10)
        shutil.copy(source / "manifest.json", folder)
        (folder / "trees.json").unlink()
        await _until(lambda: reloader.state.refusal is not None)
        shutil.copy(source / "trees.json", folder)
        await _until(lambda: len(used) == 2)
        watching.cancel()

    asyncio.run(asyncio.wait_for(copied(), 20))
    assert reloader.state.refusal is None


def test_a_bundle_that_changes_while_it_is_read_is_refused(link, another, monkeypatch) -> None:
    """A bundle that changes while it is read is refused, and read again."""
    load = reload.load_verified

    def meanwhile(folder: Path) -> object:
        found = load(folder)
        _point(link, another(11))
        return found

    monkeypatch.setattr(reload, "load_verified", meanwhile)
    used = []
    reloader = Reloader(link, used.append)
    with pytest.raises(BundleAltered, match="changed while it was read"):
        reloader.load()
    assert used == []


def test_a_missing_folder_has_an_empty_identity(tmp_path) -> None:
    """A missing folder has an empty identity, so that a folder that appears later differs."""
    assert identity(tmp_path / "nowhere") == ()


def test_before_is_called_before_each_load(link) -> None:
    """`before` is called before each load."""
    order = []
    reloader = Reloader(link, lambda _: order.append("used"), before=lambda: order.append("before"))
    reloader.load()
    (link.parent / "nothing").mkdir()
    _point(link, link.parent / "nothing")
    with pytest.raises(BundleError):
        reloader.load()
    assert order == ["before", "used", "before"]
