"""Another bundle while serving."""

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


def test_a_verified_bundle_is_taken(link) -> None:
    """Whoever uses it gets it, and the state names its version."""
    used, told = [], []
    reloader = Reloader(link, used.append, after=told.append, clock=lambda: 7.0)
    assert reloader.load() == "taken"
    assert [each.version for each in used] == [reloader.state.version]
    assert told == ["taken"]
    assert (reloader.state.refusal, reloader.state.at) == (None, 7.0)


def test_the_same_bundle_again_changes_nothing(link) -> None:
    """Looking at it is told, but nobody has to switch."""
    used, told = [], []
    reloader = Reloader(link, used.append, after=told.append)
    reloader.load()
    assert reloader.load() == "unchanged"
    assert len(used) == 1
    assert told == ["taken", "unchanged"]


def test_a_bad_bundle_is_refused_and_the_last_good_one_stays(link, another, caplog) -> None:
    """It is never used; the log, the state and the count say so."""
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
    assert f"bundle {good[:12]} goes on answering: " in caplog.text
    assert "Traceback" not in caplog.text


def test_what_nobody_foresaw_is_refused_with_its_traceback(link, caplog) -> None:
    """A fault of ours in switching leaves the last good bundle too."""

    def fail(_: object) -> None:
        raise ZeroDivisionError("inside")

    reloader = Reloader(link, fail)
    assert asyncio.run(reloader.reload()) == "refused"
    assert "not ready: inside" in caplog.text
    assert "Traceback" in caplog.text


def test_no_bundle_at_all_is_raised_at_the_start(tmp_path) -> None:
    """The first load is its caller's business."""
    with pytest.raises(BundleError, match="There is no bundle at"):
        Reloader(tmp_path, print).load()


def test_a_link_that_is_pointed_elsewhere_is_noticed(link, another, caplog) -> None:
    """Within a look or two the other bundle answers."""
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


def test_a_bundle_that_is_copied_in_place_is_taken_once_it_is_whole(bundle, another, tmp_path) -> None:
    """What is seen halfway is refused; each further file is another reason to look."""
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


def test_one_that_changes_while_it_is_read_is_not_taken(link, another, monkeypatch) -> None:
    """It might be half of one and half of another; the next look is its turn."""
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


def test_a_folder_that_is_not_there_has_an_identity(tmp_path) -> None:
    """Its absence: a bundle that appears there is noticed."""
    assert identity(tmp_path / "nowhere") == ()


def test_what_has_to_come_before_a_bundle_is_done_first(link) -> None:
    """`before` is called ahead of each load, whatever becomes of the bundle."""
    order = []
    reloader = Reloader(link, lambda _: order.append("used"), before=lambda: order.append("before"))
    reloader.load()
    (link.parent / "nothing").mkdir()
    _point(link, link.parent / "nothing")
    with pytest.raises(BundleError):
        reloader.load()
    assert order == ["before", "used", "before"]
