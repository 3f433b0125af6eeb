"""Stand-ins for `gcloud`, `bq` and `kubectl` that remember which resources exist, to run a set-up without Google."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# As with Google, describing a missing resource fails, and so does creating an existing one. A resource's name is the
# command without its verb, with the options that the name depends on.
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
    """The resources that the stand-ins created, and the log of their commands."""

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
        """All logged commands."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []

    def forget_log(self) -> None:
        """Empty the log; the resources still exist."""
        self._log.unlink()
