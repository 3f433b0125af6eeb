"""Runs wrk at full speed over persistent connections; a Lua script checks every answer."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.serving.contenders import CLIENT_CORE, Contender

_SCRIPT: Final = Path(__file__).with_name("check.lua")


@dataclass(frozen=True)
class Full:
    """The result of a run at full speed: `bad` wrong answers, `errors` missing ones, and the `first` wrong answer."""

    requests: int
    seconds: float
    bad: int
    errors: int
    first: str

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def prepare(contender: Contender, folder: Path) -> Path:
    """Write the bodies and the expected answers for wrk's script; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for number, body in enumerate(contender.bodies, 1):
        (folder / f"{number}.json").write_bytes(body)
    (folder / "wanted").write_text("".join(f"{text}\n" for text in contender.texts))
    return folder


def full_speed(
    url: str,
    contender: Contender,
    folder: Path,
    *,
    seconds: float,
    connections: int = 16,
    core: int | None = CLIENT_CORE,
) -> Full:
    """Send requests to `url` as fast as it answers; raises RuntimeError if wrk fails."""
    environment = os.environ | {"BODIES": str(folder), "WANTED": str(folder / "wanted")}
    environment.pop("MARK", None)
    if contender.mark is not None:
        environment["MARK"] = contender.mark
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    load = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    ran = subprocess.run(  # noqa: S603  our own list
        [*pinned, *load, "--timeout", "10s", "--script", str(_SCRIPT), url],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return parse(ran.stdout, ran.stderr)


def parse(output: str, complaint: str = "") -> Full:
    """Return the result that the script printed; raises RuntimeError if it printed none."""
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)\nFIRST (.*)$", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk failed: {(complaint or output).strip()}")
    requests, microseconds, _, bad, errors = (int(number) for number in found.groups()[:5])
    return Full(requests, microseconds / 1e6, bad, errors, found[6])
