"""Reads files at configured paths: only regular files of a bounded size, so that every read ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import msgspec
import yaml

_Parsed = TypeVar("_Parsed")
_MOST_BYTES: Final = 1 << 30
_MOST_TEXT: Final = 4 * 1024 * 1024
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path) -> int:
    """Return a descriptor for reading a regular file; follows symbolic links. Raises OSError for any other path.

    It doesn't wait for the writer of a named pipe, as `open` would.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = next((name for holds, name in _KINDS if holds(mode)), "a special file")
    raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def open_file(path: Path) -> BinaryIO:
    """Return a regular file opened for reading; raises OSError for any other path."""
    return os.fdopen(open_regular(path), "rb")


def read_file(path: Path, *, most: int = _MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes; raises OSError."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""
    if max(size, len(content)) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8 of at most 4 MiB, such as settings; raises OSError and UnicodeDecodeError."""
    return read_file(path, most=_MOST_TEXT).decode().replace("\r\n", "\n")


def parse_yaml(text: str, loader: type[yaml.SafeLoader | yaml.BaseLoader] = yaml.SafeLoader) -> Any:
    """Return the content of YAML text, None if it is empty; raises YAMLError, also if it is nested too deeply."""
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506  either loader makes plain values only
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error


def parse_json(data: bytes, type_: type[_Parsed]) -> _Parsed:
    """Return JSON as `type_`; raises msgspec.DecodeError, also if it isn't UTF-8 or is nested too deeply."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy the content of a regular file to another file; raises OSError."""
    Path(target).write_bytes(read_file(Path(source)))
