"""Pins the images of other publishers by digest: `scripts/pin-images` writes the digests into FILES.

A publisher can move the tag of an image, but not its digest. Files name an image as NAME:TAG or NAME:TAG@sha256:DIGEST.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import httpx2

from customer_risk.model.terminal import echo

ROOT: Final = Path(__file__).parent.parent
FILES: Final = (
    "serving/Dockerfile",
    "benchmarks/stock-image/Dockerfile",
    "tests/e2e/emulators/Dockerfile",
    "k8s/cloudbuild/builder.Dockerfile",
    "k8s/operator/Dockerfile",
    "cloudbuild.yaml",
    "k8s/cloudbuild/bundle.yaml",
    "k8s/cloudbuild/production.yaml",
)
# The base image of a Dockerfile, its default, and the image of a build step. Names of images that the build itself
# makes begin with customer-risk.
_IMAGE: Final = re.compile(
    r"^(?P<before>FROM |ARG BASE=| +name: )(?P<image>(?!customer-risk)[^\s$@]+:[\w.-]+)"
    r"(?P<digest>@sha256:[0-9a-f]{64})?(?=\s)",
    re.MULTILINE,
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_DOCKER_HUB: Final = "registry-1.docker.io"
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")
_SECONDS: Final = 30.0
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class DigestNotFound(Exception):
    """A registry returned no digest of an image; the message has the reason."""


def images_in(text: str) -> dict[str, str]:
    """Return the images that a file names, each with its digest; the digest of an image that isn't pinned is empty."""
    return {each["image"]: (each["digest"] or "").removeprefix("@") for each in _IMAGE.finditer(text)}


def with_digests(text: str, digests: Mapping[str, str]) -> str:
    """Return the text of a file with each image pinned to its digest in `digests`; other images are unchanged."""

    def replace(found: re.Match[str]) -> str:
        digest = digests.get(found["image"])
        return f"{found['before']}{found['image']}@{digest}" if digest else found[0]

    return _IMAGE.sub(replace, text)


def digest_of(image: str, client: httpx2.Client) -> str:
    """Return the digest of NAME:TAG, for all platforms, that the registry serves now; raises DigestNotFound."""
    name, _, tag = image.rpartition(":")
    host, repository = _registry_and_repository(name)
    scheme = "http" if host.partition(":")[0] in _LOCAL_HOSTS else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": _MANIFESTS}
    try:
        answer = client.get(url, headers=headers)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {_token(answer.headers.get('www-authenticate', ''), client)}"
            answer = client.get(url, headers=headers)
    except httpx2.HTTPError as error:
        raise DigestNotFound(f"{host} can't be reached: {error}") from error
    if answer.status_code != httpx2.codes.OK:
        raise DigestNotFound(f"{host} returned {answer.status_code}")
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    declared = answer.headers.get("docker-content-digest", digest)
    if declared != digest:
        raise DigestNotFound(f"{host} declares the digest {declared}, but its manifest has the digest {digest}")
    return digest


def _registry_and_repository(name: str) -> tuple[str, str]:
    """Return the registry and the repository in an image's name, as Docker interprets the name."""
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return _DOCKER_HUB, name if rest else f"library/{name}"


def _token(challenge: str, client: httpx2.Client) -> str:
    """Return the anonymous token from the address in a registry's challenge; raises DigestNotFound."""
    asked = dict(_CHALLENGE.findall(challenge))
    realm = asked.pop("realm", "")
    if not challenge.lower().startswith("bearer ") or not realm:
        raise DigestNotFound("its registry requires a password; only public images can be pinned")
    answer = client.get(realm, params=asked)
    if answer.status_code != httpx2.codes.OK:
        raise DigestNotFound(f"{realm} returned {answer.status_code}")
    document = answer.json()
    return str(document.get("token") or document.get("access_token") or "")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a file would change.")
@click.option("--root", default=ROOT, type=click.Path(path_type=Path), help="The checkout.", show_default=False)
def main(root: Path, *, check: bool) -> None:
    """Write the current digest of each image of another publisher after its tag.

    If a registry returns no digest of an image, the image is unchanged; the command still writes all others, and exits
    with 1.
    """
    texts = {root / file: (root / file).read_text(encoding="utf-8") for file in FILES if (root / file).exists()}
    before: dict[str, set[str]] = {}
    for text in texts.values():
        for image, digest in images_in(text).items():
            before.setdefault(image, set()).add(digest)
    digests: dict[str, str] = {}
    with httpx2.Client(follow_redirects=True, timeout=_SECONDS) as client:
        for image, there in sorted(before.items()):
            try:
                digests[image] = digest_of(image, client)
            except DigestNotFound as error:
                kept = ", ".join(sorted(there - {""})) or "its tag, which its publisher can move"
                echo(f"not found  {image}: {error}. It stays at {kept}.", err=True)
                continue
            echo(f"{'unchanged' if there == {digests[image]} else 'pinned':9}  {image}@{digests[image]}")
    changed = {path: with_digests(text, digests) for path, text in texts.items() if with_digests(text, digests) != text}
    if not check:
        for path, text in changed.items():
            path.write_text(text, encoding="utf-8")
    sys.exit(len(digests) < len(before) or (check and bool(changed)))


if __name__ == "__main__":
    main()
