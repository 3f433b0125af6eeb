"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes so far; a process that has ended counts 0."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory(pids: Iterable[int]) -> dict[str, float]:
    """Return memory in MB: `Rss` counts shared pages for each process, `Pss` a share of them, `Private` none."""
    found = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for name in found:
            match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
            found[name] += int(match[1]) if match else 0
    private = found["Private_Clean"] + found["Private_Dirty"]
    return {"Rss": found["Rss"] / 1024, "Pss": found["Pss"] / 1024, "Private": private / 1024}


def peak_memory(pid: int) -> float:
    """Return a process's greatest resident memory so far, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
