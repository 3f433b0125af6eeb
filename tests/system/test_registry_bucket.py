"""A registry in a bucket, on an emulator with concurrent writers that is stopped and killed."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import msgspec
import pytest
from click.testing import CliRunner

from customer_risk.model.cli.registry import registry as command
from customer_risk.model.errors import BundleAltered, ConfigError, RegistryError
from customer_risk.model.registry.aliases import Author
from customer_risk.model.registry.bucket import BucketStore
from customer_risk.model.registry.pulling import pull
from customer_risk.model.registry.registry import Registry
from customer_risk.model.scoring.bundle import FILES, load_bundle, write_bundle
from tests.http_server import serving

pytestmark = pytest.mark.system

AUTHOR = Author(by="a.tester", at="2026-01-05T09:30:00Z", why="better on the spring cohort")
BOUND = 120  # seconds at most until a caller learns that the server doesn't answer, on slow machines too


@pytest.fixture(scope="module")
def bundles(bundle, tmp_path_factory):
    """Two bundles whose manifests differ."""
    other = tmp_path_factory.mktemp("bundles") / "other"
    manifest = load_bundle(bundle, verify_golden=False).manifest
    write_bundle(
        other,
        msgspec.structs.replace(manifest, seed=manifest.seed + 1),
        {name: (bundle / name).read_bytes() for name in FILES},
    )
    return [bundle, other]


@pytest.fixture
def where(gcs, request) -> str:
    """The address of a registry in the test's own bucket."""
    bucket = f"registry-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"
    gcs.make_bucket(bucket)
    return f"gs://{bucket}/models"


@pytest.fixture
def store(gcs, where) -> BucketStore:
    """The registry's store."""
    return BucketStore(where, gcs.endpoint)


@pytest.fixture
def run(gcs, where):
    """A function that runs a subcommand on the registry and returns its output."""

    def _run(*arguments: object) -> str:
        words = [*map(str, arguments), "--registry", where, "--endpoint", gcs.endpoint]
        result = CliRunner().invoke(command, words)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result.stdout

    return _run


@pytest.fixture
def refusing():
    """The endpoint of a server that refuses every request with 403."""
    error = {"code": 403, "message": "a.pod lacks storage.objects.get"}
    with serving(lambda *_: (403, {"error": error})) as url:
        yield url


def test_every_command_works_on_a_bucket(run, bundles):
    """A bucket supports add, promote, rollback, list and resolve; adding a bundle again changes nothing."""
    first, second = (run("add", bundle).strip() for bundle in bundles)
    assert run("add", bundles[0]).strip() == first
    run("promote", first[:12], "--why", "the first", "--by", "ann")
    run("promote", second, "--why", "it won", "--by", "ben")
    assert run("resolve", "champion") == f"{second}\n"
    assert f"champion is now {first}" in run("rollback", "--why", "alerts", "--by", "ann")
    assert [row["version"] for row in json.loads(run("list", "--json"))] == [first, second]
    actions = [row["action"] for row in json.loads(run("list", "--history", "--json"))]
    assert actions == ["add", "add", "promote", "promote", "rollback"]


def test_a_new_bucket_is_an_empty_registry(store):
    """An existing bucket without objects is an empty registry."""
    assert store.read() == (None, "0")
    assert store.versions() == []


def test_a_pulled_bundle_equals_the_added_one(run, bundles, store, tmp_path):
    """A pulled bundle has the files that were added, and is verified."""
    version = run("add", bundles[0]).strip()
    assert pull(version, store, tmp_path / "out")
    assert load_bundle(tmp_path / "out").version == version
    run("pull", version, "--out", tmp_path / "again")
    assert load_bundle(tmp_path / "again").version == version


def test_a_document_is_replaced_only_at_its_newest_generation(store):
    """A document is replaced only if the server still has the generation that was read, or still has none."""
    assert store.swap("0", b"one")
    assert not store.swap("0", b"lost")
    content, tag = store.read()
    assert content == b"one"
    assert store.swap(tag, b"two")
    assert not store.swap(tag, b"lost")
    assert store.read()[0] == b"two"


def test_of_many_writers_with_one_tag_exactly_one_wins(gcs, where, store):
    """Of several writers that read the same generation, one succeeds: the server compares and swaps."""
    store.swap("0", b"start")
    tag = store.read()[1]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: BucketStore(where, gcs.endpoint).swap(tag, b"%d" % n), range(8)))
    assert sum(won) == 1
    assert store.read()[0] == b"%d" % won.index(True)


def test_promotions_at_once_make_one_unbroken_history(gcs, where, run, bundles):
    """Each change replaced the bundle of the previous change, and no change is lost."""
    versions = [run("add", bundle).strip() for bundle in bundles]

    def promote(number: int) -> None:
        registry = Registry(BucketStore(where, gcs.endpoint), verify=lambda _: None)
        for turn in range(5):
            registry.promote(versions[turn % 2], "champion", Author(by=f"w{number}", at=AUTHOR.at, why=f"{turn}"))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(promote, range(3)))
    changes = [each for each in json.loads(run("list", "--history", "--json")) if each["action"] == "promote"]
    assert [each["replaced"] for each in changes] == [None, *(each["bundle"] for each in changes[:-1])]
    assert len(changes) >= 5
    assert run("resolve", "champion").strip() == changes[-1]["bundle"]


def test_an_altered_object_is_refused(gcs, where, run, bundles, store, tmp_path):
    """A bundle with an altered object is neither pulled nor promoted."""
    version = run("add", bundles[0]).strip()
    _write(gcs, where, f"bundles/{version}/trees.json", b"[]")
    with pytest.raises(BundleAltered, match=r"trees.json has the sha256"):
        pull(version, store, tmp_path / "pod" / "out")
    assert list((tmp_path / "pod").iterdir()) == []
    with pytest.raises(BundleAltered):
        Registry(store).promote(version, "champion", AUTHOR)


def test_an_incomplete_bundle_is_ignored_until_it_is_added_again(gcs, where, run, bundles, store):
    """A bundle exists once its manifest, the last object, is written; an equal object is kept, another is refused."""
    version = hashlib.sha256((bundles[0] / "manifest.json").read_bytes()).hexdigest()
    name = f"bundles/{version}/golden.json"
    _write(gcs, where, name, b"something else")
    assert store.versions() == []
    with pytest.raises(RegistryError, match=r"golden.json differs from the bundle's file.*Delete it"):
        Registry(store).add(bundles[0], AUTHOR)
    assert store.versions() == []
    _write(gcs, where, name, (bundles[0] / "golden.json").read_bytes())
    assert run("add", bundles[0]).strip() == version
    assert store.versions() == [version]


def test_a_missing_bundle_and_a_missing_bucket_have_different_errors(gcs, store, tmp_path):
    """A missing bundle and a missing bucket have different errors."""
    with pytest.raises(RegistryError, match="has no bundle"):
        pull("a" * 64, store, tmp_path / "out")
    absent = BucketStore("gs://no-such-bucket", gcs.endpoint)
    for ask in (absent.versions, absent.read, lambda: pull("a" * 64, absent, tmp_path / "out")):
        with pytest.raises(RegistryError, match="Name a bucket that exists"):
            ask()


def test_missing_rights_are_named_with_the_role(refusing, tmp_path):
    """The error for missing rights names the role that the identity needs."""
    store = BucketStore("gs://closed", refusing)
    for ask in (store.read, store.versions, lambda: pull("a" * 64, store, tmp_path / "out")):
        with pytest.raises(RegistryError, match=r"lacks storage.objects.get.*roles/storage.objectViewer"):
            ask()


def test_missing_credentials_are_a_config_error(monkeypatch, tmp_path):
    """Without credentials, the command fails before any request and names Workload Identity."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(ConfigError, match="Workload Identity"):
        BucketStore("gs://closed").versions()


def test_a_server_that_does_not_answer_ends_a_pull_in_bounded_time(gcs, run, bundles, store, where, tmp_path):
    """With the server killed or suspended, a pull fails within seconds and writes nothing; later it succeeds."""
    version = run("add", bundles[0]).strip()
    for trouble in (gcs.killed, gcs.hanging):
        with trouble():
            began = time.monotonic()
            with pytest.raises(RegistryError, match="can't be reached"):
                pull(version, BucketStore(where, gcs.endpoint), tmp_path / "pod" / "out")
            assert time.monotonic() - began < BOUND
        assert list((tmp_path / "pod").iterdir()) == []
    assert pull(version, store, tmp_path / "pod" / "out")


def _write(gcs, where: str, name: str, content: bytes) -> None:
    """Write an object without the registry."""
    bucket, _, prefix = where.removeprefix("gs://").partition("/")
    httpx2.post(
        f"{gcs.endpoint}/upload/storage/v1/b/{bucket}/o",
        params={"uploadType": "media", "name": f"{prefix}/{name}"},
        content=content,
        timeout=600,
    ).raise_for_status()
