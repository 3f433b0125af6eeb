"""A registry in a bucket, on a server of its own that is raced, stopped and killed."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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

pytestmark = pytest.mark.system

AUTHOR = Author(by="a.tester", at="2026-01-05T09:30:00Z", why="better on the spring cohort")
BOUND = 120  # seconds at most until a caller learns that the server doesn't answer, on slow machines too


@pytest.fixture(scope="module")
def bundles(bundle, tmp_path_factory):
    """Two bundles that differ, in what their manifests say."""
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
    """The address of a registry in a bucket of the test's own."""
    bucket = f"registry-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"
    gcs.make_bucket(bucket)
    return f"gs://{bucket}/models"


@pytest.fixture
def store(gcs, where) -> BucketStore:
    """The registry's store."""
    return BucketStore(where, gcs.endpoint)


@pytest.fixture
def run(gcs, where):
    """Run a subcommand on the registry; gives what it printed."""

    def _run(*arguments: object) -> str:
        words = [*map(str, arguments), "--registry", where, "--endpoint", gcs.endpoint]
        result = CliRunner().invoke(command, words)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result.stdout

    return _run


@pytest.fixture
def refusing():
    """The endpoint of a server that gives nobody anything."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"error": {"code": 403, "message": "a.pod lacks storage.objects.get"}}).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_commands_do_in_a_bucket_what_they_do_in_a_folder(run, bundles):
    """Add, promote, roll back, list and resolve; adding again changes nothing."""
    first, second = (run("add", bundle).strip() for bundle in bundles)
    assert run("add", bundles[0]).strip() == first
    run("promote", first[:12], "--why", "the first", "--by", "ann")
    run("promote", second, "--why", "it won", "--by", "ben")
    assert run("resolve", "champion") == f"{second}\n"
    assert f"champion is now {first}" in run("rollback", "--why", "alerts", "--by", "ann")
    assert [row["version"] for row in json.loads(run("list", "--json"))] == [first, second]
    actions = [row["action"] for row in json.loads(run("list", "--history", "--json"))]
    assert actions == ["add", "add", "promote", "promote", "rollback"]


def test_registry_that_nobody_wrote_to_is_empty(store):
    """A bucket that is there and holds nothing is no error."""
    assert store.read() == (None, "0")
    assert store.versions() == []


def test_what_is_pulled_is_what_was_added(run, bundles, store, tmp_path):
    """A pod gets the very files, verified."""
    version = run("add", bundles[0]).strip()
    assert pull(version, store, tmp_path / "out")
    assert load_bundle(tmp_path / "out").version == version
    run("pull", version, "--out", tmp_path / "again")
    assert load_bundle(tmp_path / "again").version == version


def test_a_document_is_replaced_only_by_who_read_its_newest(store):
    """Its generation is compared by the server, absence included."""
    assert store.swap("0", b"one")
    assert not store.swap("0", b"lost")
    content, tag = store.read()
    assert content == b"one"
    assert store.swap(tag, b"two")
    assert not store.swap(tag, b"lost")
    assert store.read()[0] == b"two"


def test_of_many_writers_with_one_tag_exactly_one_wins(gcs, where, store):
    """Compare and swap is the server's."""
    store.swap("0", b"start")
    tag = store.read()[1]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: BucketStore(where, gcs.endpoint).swap(tag, b"%d" % n), range(8)))
    assert sum(won) == 1
    assert store.read()[0] == b"%d" % won.index(True)


def test_promotions_at_once_make_one_unbroken_history(gcs, where, run, bundles):
    """Each change replaced what the one before it put in place; none is lost."""
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


def test_altered_object_is_refused_wherever_it_is_met(gcs, where, run, bundles, store, tmp_path):
    """Neither a pod nor an alias comes to it."""
    version = run("add", bundles[0]).strip()
    _write(gcs, where, f"bundles/{version}/trees.json", b"[]")
    with pytest.raises(BundleAltered, match=r"trees.json has the sha256"):
        pull(version, store, tmp_path / "pod" / "out")
    assert list((tmp_path / "pod").iterdir()) == []
    with pytest.raises(BundleAltered):
        Registry(store).promote(version, "champion", AUTHOR)


def test_half_written_bundle_is_none_until_it_is_added_again(gcs, where, run, bundles, store):
    """The manifest comes last; what is there already is kept where it is the same, and refused where it isn't."""
    version = hashlib.sha256((bundles[0] / "manifest.json").read_bytes()).hexdigest()
    name = f"bundles/{version}/golden.json"
    _write(gcs, where, name, b"something else")
    assert store.versions() == []
    with pytest.raises(RegistryError, match=r"golden.json holds something else.*delete it"):
        Registry(store).add(bundles[0], AUTHOR)
    assert store.versions() == []
    _write(gcs, where, name, (bundles[0] / "golden.json").read_bytes())
    assert run("add", bundles[0]).strip() == version
    assert store.versions() == [version]


def test_absent_bundle_and_absent_bucket_are_told_apart(gcs, store, tmp_path):
    """The first is a wrong hash, the second a wrong address."""
    with pytest.raises(RegistryError, match="holds no bundle"):
        pull("a" * 64, store, tmp_path / "out")
    absent = BucketStore("gs://no-such-bucket", gcs.endpoint)
    for ask in (absent.versions, absent.read, lambda: pull("a" * 64, absent, tmp_path / "out")):
        with pytest.raises(RegistryError, match="Name a bucket that exists"):
            ask()


def test_missing_rights_are_named_with_the_role(refusing, tmp_path):
    """An identity without rights is told which role it needs."""
    store = BucketStore("gs://closed", refusing)
    for ask in (store.read, store.versions, lambda: pull("a" * 64, store, tmp_path / "out")):
        with pytest.raises(RegistryError, match=r"lacks storage.objects.get.*roles/storage.objectViewer"):
            ask()


def test_without_credentials_the_command_says_what_to_do(monkeypatch, tmp_path):
    """Nothing is asked of anybody."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(ConfigError, match="Workload Identity"):
        BucketStore("gs://closed").versions()


def test_server_that_nobody_hears_from_ends_it_in_bounded_time(gcs, run, bundles, store, where, tmp_path):
    """Killed or hanging, a pull says so within seconds, writes nothing, and does its work when the server is back."""
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
    """Write an object behind the registry's back."""
    bucket, _, prefix = where.removeprefix("gs://").partition("/")
    httpx2.post(
        f"{gcs.endpoint}/upload/storage/v1/b/{bucket}/o",
        params={"uploadType": "media", "name": f"{prefix}/{name}"},
        content=content,
        timeout=600,
    ).raise_for_status()
