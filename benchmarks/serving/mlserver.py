"""MLServer in a separate environment: its pinned versions conflict with the project's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

_LOCK: Final = Path(__file__).with_name("mlserver.txt")


_ASKED: Final = "import importlib.metadata as m; print(m.version('mlserver'), m.version('xgboost'))"


def versions(python: Path) -> dict[str, str]:
    """Return the versions of MLServer and of the XGBoost in its environment."""
    said = subprocess.run([python, "-c", _ASKED], capture_output=True, text=True, check=True)  # noqa: S603  a fixed command
    server, booster = said.stdout.split()
    return {"mlserver": server, "mlserver's xgboost": booster}


def environment(folder: Path, lock: Path = _LOCK) -> Path:
    """Return the Python of an environment with the packages of a lock file, MLServer's by default; create it if needed.

    Raises RuntimeError with the last line of the error if it can't be created.
    """
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    steps = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(lock)],
    )
    for step in steps:
        ran = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603  our own words
        if ran.returncode:
            raise RuntimeError(f"doesn't install: {(ran.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    stamp.write_bytes(lock.read_bytes())
    return python
