"""The issuer's key set in a file and at a URL."""

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


def test_a_key_set_is_read(settings, by_url, issuer, key_set) -> None:
    """The bytes of a file, the body at a URL, and a compressed body are returned."""
    assert _fetch(settings) == _fetch(by_url) == key_set
    issuer.body, issuer.headers = gzip.compress(key_set), {"content-encoding": "gzip"}
    assert _fetch(by_url) == key_set


def test_a_missing_file_is_an_error(settings, tmp_path) -> None:
    """A missing file, or a folder, is an error."""
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "none")), "No such file")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path)), "directory")


def test_a_named_pipe_is_refused(settings, tmp_path) -> None:
    """A named pipe as the file of keys is refused at once, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "pipe"), timeout_seconds=600), "regular file")


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500, 503])
def test_a_status_other_than_200_is_an_error(by_url, issuer, status) -> None:
    """Every status other than 200 is an error."""
    issuer.status = status
    _unreadable(by_url, f"status {status}")


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "http://[", "\xff"])
def test_a_redirect_is_not_followed(by_url, issuer, target) -> None:
    """A redirect isn't followed: it could lead to a place where others can publish keys."""
    issuer.status, issuer.headers = 302, {"location": target}
    _unreadable(by_url, "status 302|RemoteProtocolError")
    assert issuer.answers == 1


def test_a_refused_connection_is_an_error(by_url, issuer) -> None:
    """A refused connection is an error."""
    issuer.go()
    _unreadable(by_url, "ConnectError")
    issuer.come_back()


def test_a_read_ends_after_its_timeout(by_url, issuer) -> None:
    """A read ends after its timeout."""
    issuer.seconds = SLOW
    began = time.monotonic()
    _unreadable(msgspec.structs.replace(by_url, timeout_seconds=0.2), "0.2 s")
    assert time.monotonic() - began < SLOW


def test_a_server_without_tls_is_an_error(by_url) -> None:
    """An https URL of a server without TLS is an error."""
    _unreadable(msgspec.structs.replace(by_url, jwks=by_url.jwks.replace("http:", "https:")), "ConnectError")


def test_an_unknown_certificate_is_refused(by_url, issuer, encryption, monkeypatch) -> None:
    """A certificate that the operating system doesn't trust is refused."""
    issuer.encrypt(encryption)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    _unreadable(msgspec.structs.replace(by_url, jwks=issuer.url), "CERTIFICATE_VERIFY_FAILED")


def test_a_certificate_of_ssl_cert_file_is_trusted(
    by_url, issuer, encryption, certificate, key_set, monkeypatch
) -> None:
    """A certificate in the file that SSL_CERT_FILE names is trusted."""
    issuer.encrypt(encryption)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert _fetch(msgspec.structs.replace(by_url, jwks=issuer.url)) == key_set


@pytest.mark.parametrize("file", ["/nonexistent", __file__])
def test_an_unreadable_certificate_file_is_named(by_url, file, monkeypatch) -> None:
    """The error for a file of certificates that can't be read names the variable."""
    monkeypatch.setenv("SSL_CERT_FILE", file)
    _unreadable(by_url, "check SSL_CERT_FILE")


@pytest.mark.parametrize("where", ["file", "url", "compressed"])
def test_a_key_set_above_the_bound_is_an_error(settings, by_url, issuer, tmp_path, where) -> None:
    """More than a mebibyte is an error, also after decompression."""
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
