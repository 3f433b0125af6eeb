"""Files that their reader doesn't expect: content with changed bytes, and paths at which there is no regular file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

SECRET: Final = b"a secret of another file"  # no error or response may contain it
_PIECES: Final = (
    b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b":", b"{", b"}", b"[", b"]",
    b"-", b"=1+1", b"NaN", b"1e999", b"9" * 400, b"9" * 5000, b"\xed\xa0\x80", b"&a", b"*a", b"null",
    b"!!python/object:x", b"2001-99-99", b"0x", b"<<: 1", b"? ", b"%", b"---\n", b"\xe2\x80\xa8", b"true", b'{"a":1}',
    b"\\u0000", b"\\ud800",
)  # fmt: skip
_EXPANDING: Final = b"a0: &a0 x\n" + b"".join(  # YAML that becomes nine times as large with each line
    b"a%d: &a%d [%b]\n" % (line, line, b",".join([b"*a%d" % (line - 1)] * 9)) for line in range(1, 9)
)
WHOLE: Final = (
    b"", b"\x00", b"\xff\xfe", b"\xff\xfea\x00", b"\n" * 1000, b"null", b"[]", b"{}", b"0", b'""', b"[" * 20_000,
    b"{" * 20_000, b'{"a":' * 20_000, b"a: " * 2000, b"\x80" * 100, b"- " * 20_000, b"PAR1",
    b"PAR1" + b"\x00" * 100 + b"PAR1",
    b"SQLite format 3\x00", b"\x1f\x8b\x08\x00", b"PK\x03\x04", SECRET, b"a,b\n" * 2000, b'"' * 3001, b"," * 20_000,
    b"x" * 1_000_000, _EXPANDING,
)  # fmt: skip


def changed(chance: Random, content: bytes) -> bytes:
    """Return content with up to five changes, the beginning of it, or one of WHOLE."""
    way = chance.random()
    if way < 0.04:
        return chance.choice(WHOLE)
    if way < 0.1:
        return content[: chance.randrange(len(content) + 1)]
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(content) + 1)
        content = content[:place] + chance.choice(_PIECES) + content[place + chance.choice((0, 0, 1, 3)) :]
    return content


def _fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


def _loop(path: Path, _: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path, _: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def _secret(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path, _: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


PLACES: Final[dict[str, Callable[[Path, Path], None]]] = {
    "FIFO": _fifo,
    "folder": _folder,
    "link to itself": _loop,
    "link to nothing": _dangling,
    "link to another file": _secret,
    "link to /dev/zero": _endless,
    "sparse file of a terabyte": _huge,
}
