"""A `gcloud`, `bq` and `kubectl` that remember what was made: enough to see a set-up run twice without Google."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# Describing what wasn't made, and making what was, fail as Google's do. A thing's name is its command without the verb,
# with the options that it is named within.
_PROGRAM = r"""#!/bin/bash
echo "$(basename "$0") $*" >> "$MADE/log"
name=$(basename "$0") verb=
for word in "$@"; do
    case $word in
    describe|get|create) verb=$word ;;
    manual|github|rolebinding) ;;
    --name=*) name="$name ${word#--name=}" ;;
    --map=*|--namespace=*|--zone=*|--type=*) name="$name $word" ;;
    -*) ;;
    *) name="$name ${word%%@*}" ;;
    esac
done
file="$MADE/$(echo "$name" | tr ' /*' '___')"
if [[ -n "${BROKEN:-}" && "$*" == *"$BROKEN"* && $verb == create ]]; then
    echo "PERMISSION_DENIED: $BROKEN" >&2
    exit 1
fi
case $verb in
describe|get) [ -e "$file" ] ;;
create) [ ! -e "$file" ] || { echo "ALREADY_EXISTS: $name" >&2; exit 1; }; : > "$file" ;;
esac
"""


class Google:
    """The stand-in's memory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._made = folder / "made"
        self._made.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        for name in ("gcloud", "bq", "kubectl"):
            path = programs / name
            path.write_text(_PROGRAM, encoding="utf-8")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("MADE", str(self._made))
        self._log = self._made / "log"

    @property
    def asked(self) -> list[str]:
        """Every command so far."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []

    def forget_log(self) -> None:
        """Begin the log anew; what was made stays."""
        self._log.unlink()
