"""Pinning images by digest, against real registries of this machine."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result

from k8s.images import FILES, images_in, main
from tests.http_server import serving
from tests.registry import running

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that demands no token."""
    with running(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that demands a token, as Docker Hub does; a server issues one to anybody."""

    def issue(request, _):
        return 200 if "scope=repository%3Asome%2Fimage%3Apull" in request.path else 400, {"token": "anybody"}

    with (
        serving(issue) as url,
        running(
            tmp_path_factory.mktemp("guarded"), f"auth: {{silly: {{realm: '{url}/token', service: here}}}}"
        ) as address,
    ):
        yield address


def _push(address: str, tag: str, content: str, name: str = "some/image") -> str:
    """Push an image without layers for two platforms; return the digest of its index."""
    base, headers = f"http://{address}/v2/{name}", {"Authorization": "Bearer pusher"}
    config = json.dumps({"architecture": "amd64", "os": "linux", "content": content}).encode()
    place = httpx2.post(f"{base}/blobs/uploads/", headers=headers).headers["location"]
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    httpx2.put(
        place, params={"digest": digest, **httpx2.URL(place).params}, content=config, headers=headers
    ).raise_for_status()
    described = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
    one = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    put = httpx2.put(f"{base}/manifests/{one}", content=manifest, headers=headers | {"Content-Type": MANIFEST})
    put.raise_for_status()
    platforms = [
        {"mediaType": MANIFEST, "size": len(manifest), "digest": one, "platform": {"os": "linux", "architecture": each}}
        for each in ("amd64", "arm64")
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).encode()
    httpx2.put(f"{base}/manifests/{tag}", content=index, headers=headers | {"Content-Type": INDEX}).raise_for_status()
    return f"sha256:{hashlib.sha256(index).hexdigest()}"


def _checkout(folder: Path, images: dict[str, str]) -> Path:
    """Copy the files that name images, with other names of images; return the folder."""
    for file in FILES:
        text = (ROOT / file).read_text(encoding="utf-8")
        for ours, other in images.items():
            text = re.sub(rf"(?<=[ =]){re.escape(ours)}(@sha256:[0-9a-f]{{64}})?(?=\s)", other, text)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def _all(address: str) -> dict[str, str]:
    """Return a registry's image for every image that the repository names."""
    images = {image for file in FILES for image in images_in((ROOT / file).read_text(encoding="utf-8"))}
    return {each: f"{address}/some/image:{each.rpartition(':')[2]}" for each in images}


def _pin(root: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), *options], catch_exceptions=False)


def _found(root: Path) -> dict[str, str]:
    return {
        image: each for file in FILES for image, each in images_in((root / file).read_text(encoding="utf-8")).items()
    }


def test_every_image_of_every_file_gets_the_digest_that_its_registry_serves(tmp_path: Path, registry: str) -> None:
    """Every image is pinned by the digest of its index, for all platforms, as its registry serves it."""
    images = _all(registry)
    digests = {image: _push(registry, image.rpartition(":")[2], image) for image in images.values()}
    root = _checkout(tmp_path, images)
    done = _pin(root)
    assert done.exit_code == 0, done.output
    assert _found(root) == digests
    for digest in digests.values():
        served = httpx2.get(f"http://{registry}/v2/some/image/manifests/{digest}", headers={"Accept": INDEX})
        assert served.headers["docker-content-digest"] == digest


def test_a_tag_that_was_moved_is_followed_only_by_the_command(tmp_path: Path, registry: str) -> None:
    """If a tag was moved, `--check` ends with 1 and writes nothing; without it, the new digest is written."""
    images = _all(registry)
    for image in images.values():
        _push(registry, image.rpartition(":")[2], "first")
    root = _checkout(tmp_path, images)
    assert _pin(root).exit_code == 0
    assert _pin(root, "--check").exit_code == 0
    before = _found(root)
    moved = min(images.values())
    digest = _push(registry, moved.rpartition(":")[2], "second")
    assert _pin(root, "--check").exit_code == 1
    assert _found(root) == before
    assert _pin(root).exit_code == 0
    assert _found(root) == before | {moved: digest}


@pytest.mark.parametrize(
    ("name", "said"),
    [("{registry}/some/image:absent", "returned 404"), ("localhost:9/some/image:1.2.3", "can't be reached")],
)
def test_an_image_that_cannot_be_looked_up_stays_on_its_tag(
    tmp_path: Path, registry: str, name: str, said: str
) -> None:
    """An image without a digest is named with the reason, all others are pinned, and the command ends with 1."""
    images = _all(registry)
    for image in images.values():
        _push(registry, image.rpartition(":")[2], image)
    lost = min(images)
    root = _checkout(tmp_path, images | {lost: name.format(registry=registry)})
    done = _pin(root)
    assert done.exit_code == 1
    assert re.search(
        rf"not found  {re.escape(name.format(registry=registry))}: \S+ {said}.* It stays at its tag", done.output
    )
    assert sorted(map(bool, _found(root).values())) == [False, *[True] * (len(images) - 1)]


def test_a_registry_that_wants_a_token_is_asked_with_one(tmp_path: Path, guarded: str) -> None:
    """The command gets a token for the repository from the address that the registry names, and pins the image."""
    images = _all(guarded)
    digests = {image: _push(guarded, image.rpartition(":")[2], image) for image in images.values()}
    root = _checkout(tmp_path, images)
    done = _pin(root)
    assert done.exit_code == 0, done.output
    assert _found(root) == digests


def test_every_file_that_names_an_image_is_one_that_is_pinned() -> None:
    """All Dockerfiles and builds of the repository are in FILES, and each image that they name is found."""
    git = shutil.which("git") or "git"
    listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    recipes = {each for each in listed if each.endswith("Dockerfile")} - {"tests/e2e/bundled.Dockerfile"}
    builds = {each for each in listed if each.endswith(".yaml") and re.search(r"^steps:$", _text(each), re.MULTILINE)}
    assert recipes | builds == set(FILES)
    for file in FILES:
        text = _text(file)
        stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
        words = re.findall(r"^(?:FROM|ARG BASE=| +name:) ?(\S+)", text, re.MULTILINE)
        others = {each for each in words if each not in stages and not each.startswith(("$", "customer-risk"))}
        assert {each.partition("@")[0] for each in others} == set(images_in(text)), file


def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")
