"""Reloading under load."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from customer_risk.model.scoring import bundle as bundles

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.system, pytest.mark.alone]

READY = "/v2/health/ready"


@pytest.fixture
def another(bundle, tmp_path) -> Path:
    """A bundle with other answers: with its thresholds, every customer is high."""
    from customer_risk.model.scoring.golden_answers import golden_answerer

    folder = tmp_path / "another"
    loaded = bundles.load_bundle(bundle)
    manifest = msgspec.structs.replace(loaded.manifest, thresholds=bundles.Thresholds(medium=1e-9, high=2e-9))
    scorer = bundles.make_scorer(loaded.trees, manifest)
    answer = golden_answerer(scorer, manifest.settings)
    files = {name: (bundle / name).read_bytes() for name in bundles.FILES}
    files["golden.json"] = msgspec.json.encode([row | {"answer": answer(row["request"])} for row in loaded.golden])
    bundles.write_bundle(folder, manifest, files)
    return folder


@pytest.fixture
def link(bundle, tmp_path) -> Path:
    """A symbolic link to the small real bundle, as a mounted volume has one."""
    made = tmp_path / "current"
    made.symlink_to(bundle)
    return made


@pytest.fixture
def consistent(bundle, another) -> Callable[[dict[str, Any]], str | None]:
    """Check that an answer's segment agrees with the thresholds of its version."""
    first = bundles.load_bundle(bundle).version
    second = bundles.load_bundle(another).version

    def check(answer: dict[str, Any]) -> str | None:
        version = answer["model"]["version"]
        if version not in {first, second}:
            return f"a version from nowhere: {version}"
        if (answer["segment"] == "high") != (version == second):
            return f"{answer['segment']} by {version}"
        return None

    return check


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name("next")
    beside.symlink_to(folder)
    beside.replace(link)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_another_bundle_is_used_without_a_failed_request(
    start, command, bundle, another, link, consistent, load, sound_request, workers
) -> None:
    """If a link changes to another bundle and back, every answer is from one bundle, and both have answered."""
    server = start(command, link, "--workers", workers)
    server.wait_for(READY)
    with load(server.port, sound_request, check=consistent) as loaded:
        for folder in (another, bundle) * 2:
            loaded.wait_for(200)
            taken = server.log.read_text().count(" taken, ")
            _point(link, folder)
            while server.log.read_text().count(" taken, ") < taken + int(workers):
                loaded.wait_for(1)
        loaded.wait_for(200)
    assert loaded.failures == []
    assert len(loaded.versions) == 2


def test_a_bad_bundle_leaves_the_last_one_in_use(start, command, bundle, another, link, load, sound_request) -> None:
    """A bad bundle is logged; answers and readiness don't change."""
    (another / "trees.json").write_bytes(b"{}")
    server = start(command, link)
    server.wait_for(READY)
    with load(server.port, sound_request) as loaded:
        _point(link, another)
        while "keeps answering" not in server.log.read_text():  # the end of what it says
            loaded.wait_for(1)
        loaded.wait_for(200)
    assert loaded.failures == []
    assert loaded.versions == {bundles.load_bundle(bundle).version}
    assert "trees.json was altered" in server.log.read_text()
    assert server.get(READY).status_code == 200


def test_sighup_makes_every_worker_check_the_folder(start, command, bundle) -> None:
    """On SIGHUP, the same bundle is verified again, and the process keeps running."""
    server = start(command, bundle, "--workers", "2")
    server.wait_for(READY)
    server.process.send_signal(signal.SIGHUP)
    while server.log.read_text().count(" unchanged, ") < 2:
        assert server.get("/healthz").status_code == 200
    assert server.process.poll() is None


def test_a_pod_that_started_with_a_bad_bundle_gets_ready_with_a_good_one(start, command, bundle, another, link) -> None:
    """With `--stay-up`, the process waits for a valid bundle."""
    (another / "trees.json").write_bytes(b"{}")
    _point(link, another)
    server = start(command, link, "--stay-up")
    server.wait_for("/healthz")
    while "not ready: " not in server.log.read_text():
        assert server.get(READY).status_code == 503
    _point(link, bundle)
    server.wait_for(READY)
