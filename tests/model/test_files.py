"""Files at configured paths."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import msgspec
import pytest
import yaml

from customer_risk.model.config import load_config
from customer_risk.model.errors import CustomerRiskError, RegistryError
from customer_risk.model.files import copy_file, open_file, parse_json, parse_yaml, read_file, read_text
from customer_risk.model.registry.interface import FolderStore, copy_of
from customer_risk.model.registry.pulling import check
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.tables.mapping import load_mapping
from customer_risk.model.tokens.keys import KeysUnreadable
from customer_risk.serving.auth import jwks
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.bulk.tables import settings as batch
from customer_risk.serving.cli.golden_command import golden
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.golden_check import check as check_golden
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.settings import load_settings
from customer_risk.serving.store.factory import open_store
from customer_risk.serving.store.settings import StoreSettings


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):  # a socket's path is short
        made.bind(path.name)


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)  # takes no space on the disk


SPECIAL = {
    "named pipe": _pipe,
    "folder": Path.mkdir,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "dangling link": lambda path: path.symlink_to(path.with_name("nothing")),
    "loop of links": lambda path: path.symlink_to(path),
    "link to a named pipe": lambda path: (_pipe(path.with_name("pipe")), path.symlink_to("pipe")),
    "huge file": _huge,
}


def _keys(path: Path) -> None:
    settings = AuthSettings(issuer="https://i.example", audience="a", jwks=str(path))
    try:
        asyncio.run(jwks.fetch(settings))
    except KeysUnreadable as error:
        raise CustomerRiskError(str(error), remedy="") from error


def _bundle_with(read):
    def reader(path: Path) -> None:
        folder = path.with_name("bundle")
        folder.mkdir()
        path.rename(folder / "manifest.json")
        read(folder)

    return reader


READERS = {
    "settings": lambda path: load_settings(path, server={}),
    "settings of a batch": batch.load_settings,
    "training's configuration": load_config,
    "mapping": load_mapping,
    "rules": load_rules,
    "keys of the issuer": _keys,
    "key of hashed ids": lambda path: RecordSettings(customer_id="hashed", key_file=str(path)).keys(),
    "address of the store": lambda path: open_store(StoreSettings(kind="redis", url_file=str(path)), path.parent),
    "token": lambda path: golden("http://localhost", path, None, path),
    "bundle": _bundle_with(load_bundle),
    "bundle that is added": _bundle_with(lambda folder: copy_of(folder, folder.with_name("copy"))),
    "bundle that is kept": _bundle_with(lambda folder: FolderStore(folder.with_name("registry")).keep(folder, print)),
    "bundle that was pulled": _bundle_with(lambda folder: check(folder, "a" * 64)),
    "bundle of golden requests": _bundle_with(lambda folder: check_golden(None, folder)),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=list(SPECIAL))
@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
def test_only_regular_files_are_read(read, make, tmp_path) -> None:
    """Each reader refuses a path that isn't a regular file with an error that names the path."""
    path = tmp_path / "given"
    make(path)
    with pytest.raises(CustomerRiskError, match=str(tmp_path)):
        read(path)


@pytest.mark.parametrize("kind", ["named pipe", "folder", "socket", "endless device", "huge file"])
def test_a_registry_refuses_special_files(kind, tmp_path) -> None:
    """A registry refuses a document that isn't a regular file with an error that names it."""
    SPECIAL[kind](tmp_path / "aliases.json")
    with pytest.raises(RegistryError, match="aliases"):
        FolderStore(tmp_path).read()


@pytest.mark.parametrize("make", SPECIAL.values(), ids=list(SPECIAL))
@pytest.mark.parametrize("read", [read_file, read_text, lambda path: copy_file(path, path.with_name("copy"))])
def test_what_is_no_regular_file_raises_an_error_that_names_it(read, make, tmp_path) -> None:
    """The error for a path that isn't a regular file names the path, and no descriptor stays open."""
    path = tmp_path / "given"
    make(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="given"):
        read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_links_to_regular_files_are_followed(tmp_path) -> None:
    """A file of a Secret or ConfigMap, which Kubernetes mounts as a link to a file in a linked folder, is read."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "key").write_text("a\r\nb\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")
    assert read_text(tmp_path / "key") == "a\nb\n"
    assert read_file(tmp_path / "key") == b"a\r\nb\n"
    copy_file(tmp_path / "key", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"a\r\nb\n"
    with open_file(tmp_path / "key") as file:
        assert not os.get_inheritable(file.fileno())


def test_a_file_may_have_as_many_bytes_as_the_bound(tmp_path) -> None:
    """A file is read if it has as many bytes as the bound, and refused if it has one byte more."""
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert len(read_file(tmp_path / "a", most=10)) == 10
    with pytest.raises(OSError, match="it has more than 9 bytes"):
        read_file(tmp_path / "a", most=9)


@pytest.mark.parametrize("text", ["{" * 20_000, "[" * 20_000, "- " * 20_000])
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader])
def test_yaml_nested_too_deeply_is_an_error_of_yaml(text, loader) -> None:
    """YAML that is nested too deeply raises the same kind of error as text that isn't YAML."""
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        parse_yaml(text, loader)


@pytest.mark.parametrize("data", [b"{", b'"\xed"', b'"\x80', b"[" * 20_000, b'{"a":' * 20_000])
def test_bytes_that_are_not_json_are_an_error_of_decoding(data) -> None:
    """Bytes that aren't JSON or UTF-8, and JSON that is nested too deeply, raise the same kind of error."""
    with pytest.raises(msgspec.DecodeError):
        parse_json(data, dict)
