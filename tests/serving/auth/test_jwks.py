"""The issuer's key set, by file and by URL."""

from __future__ import annotations

import asyncio
import gzip
import os
import time

import msgspec
import pytest

from customer_risk.model.tokens.keys import MOST_BYTES, KeysUnreadable
from customer_risk.serving.auth.jwks import fetch

SLOW = 600  # seconds that a slow issuer takes; no test may take as long


def _fetch(settings) -> bytes:
    return asyncio.run(fetch(settings))


def _unreadable(settings, match: str) -> None:
    with pytest.raises(KeysUnreadable, match=match):
        _fetch(settings)


def test_by_file(settings, key_set) -> None:
    """A file's bytes are what is read."""
    assert _fetch(settings) == key_set


def test_by_url(by_url, key_set) -> None:
    """A URL's body is what is read."""
    assert _fetch(by_url) == key_set


def test_by_url_compressed(by_url, issuer, key_set) -> None:
    """A compressed body is read as what it stands for."""
    issuer.body, issuer.headers = gzip.compress(key_set), {"content-encoding": "gzip"}
    assert _fetch(by_url) == key_set


def test_no_file(settings, tmp_path) -> None:
    """A file that isn't there, or is a folder, is told."""
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "none")), "No such file")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path)), "directory")


def test_a_pipe(settings, tmp_path) -> None:
    """A named pipe as the file of keys is refused at once, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "pipe"), timeout_seconds=600), "regular file")


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500, 503])
def test_other_statuses(by_url, issuer, status) -> None:
    """Only a 200 is a key set."""
    issuer.status = status
    _unreadable(by_url, f"status {status}")


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "http://[", "\xff"])
def test_redirects(by_url, issuer, target) -> None:
    """A redirect isn't followed: it could lead to where anybody can publish keys."""
    issuer.status, issuer.headers = 302, {"location": target}
    _unreadable(by_url, "status 302|RemoteProtocolError")
    assert issuer.answers == 1


def test_nobody_there(by_url, issuer) -> None:
    """An issuer that refuses connections is told."""
    issuer.go()
    _unreadable(by_url, "ConnectError")
    issuer.come_back()


def test_too_slow(by_url, issuer) -> None:
    """A look takes no longer than its timeout, however slow the issuer."""
    issuer.seconds = SLOW
    began = time.monotonic()
    _unreadable(msgspec.structs.replace(by_url, timeout_seconds=0.2), "0.2 s")
    assert time.monotonic() - began < SLOW


def test_no_encryption(by_url) -> None:
    """An https URL that doesn't speak TLS is told."""
    _unreadable(msgspec.structs.replace(by_url, jwks=by_url.jwks.replace("http:", "https:")), "ConnectError")


def test_an_unknown_certificate(by_url, issuer, encryption, monkeypatch) -> None:
    """A certificate that the operating system doesn't trust is refused."""
    issuer.encrypt(encryption)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    _unreadable(msgspec.structs.replace(by_url, jwks=issuer.url), "CERTIFICATE_VERIFY_FAILED")


def test_a_company_certificate(by_url, issuer, encryption, certificate, key_set, monkeypatch) -> None:
    """A certificate in the file that SSL_CERT_FILE names is trusted."""
    issuer.encrypt(encryption)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert _fetch(msgspec.structs.replace(by_url, jwks=issuer.url)) == key_set


@pytest.mark.parametrize("file", ["/nonexistent", __file__])
def test_no_certificates(by_url, file, monkeypatch) -> None:
    """A file of certificates that cannot be read is named by its variable."""
    monkeypatch.setenv("SSL_CERT_FILE", file)
    _unreadable(by_url, "check SSL_CERT_FILE")


@pytest.mark.parametrize("where", ["file", "url", "compressed"])
def test_too_large(settings, by_url, issuer, tmp_path, where) -> None:
    """More than a mebibyte isn't a key set; a small body that unpacks to it isn't either."""
    large = b" " * (MOST_BYTES + 1)
    if where == "file":
        path = tmp_path / "large"
        path.write_bytes(large)
        settings = msgspec.structs.replace(settings, jwks=str(path))
    else:
        settings, issuer.body = by_url, large
        if where == "compressed":
            issuer.body, issuer.headers = gzip.compress(large), {"content-encoding": "gzip"}
    _unreadable(settings, "more than 1,048,576 bytes")
