"""The folder in which workers share their metrics, set before prometheus_client is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def prepare(folder: Path) -> None:
    """Empty `folder` and have prometheus_client store its values there; call once, before the first fork.

    Raises RuntimeError if prometheus_client is already imported: it would ignore the folder.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before its folder was set")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in (*folder.glob("*.db"), *folder.glob("decisions-*")):
        left.unlink()
    os.environ[FOLDER_VARIABLE] = str(folder)
