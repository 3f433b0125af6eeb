"""Progress survives the process, and stored plans are repeated."""

from __future__ import annotations

import subprocess
import sys

from customer_risk.serving.record.shipper.progress import Plan, Progress

PLAN = Plan("a" * 32, 1, 5, (2, 4), b"\x00place")


def test_a_plan_is_found_by_another_process(folder, progress) -> None:
    """Another process finds the plan unchanged, under the same identity."""
    progress.intend("sink", PLAN)
    progress.close()
    again = Progress(folder)
    assert (again.plan("sink"), again.shipper) == (PLAN, progress.shipper)
    assert again.plan("other") is None
    again.close()


def test_settling_moves_the_cursor_and_the_place_together(progress) -> None:
    """Settling a plan moves the cursor and the place, and ends the plan."""
    progress.intend("sink", PLAN)
    assert (progress.cursor("sink", PLAN.source), progress.place("sink")) == (0, b"")
    progress.settle("sink", PLAN, b"next")
    assert (progress.cursor("sink", PLAN.source), progress.place("sink")) == (5, b"next")
    assert progress.plan("sink") is None
    assert progress.cursor("other", PLAN.source) == 0


def test_a_rewound_sink_begins_anew(progress) -> None:
    """A sink can be rewound during a write; the end of that write then changes nothing."""
    progress.intend("sink", PLAN)
    progress.settle("sink", PLAN, b"next")
    progress.intend("sink", PLAN._replace(first=6, last=9))
    progress.rewind("sink")
    progress.settle("sink", PLAN._replace(first=6, last=9), b"later")
    assert (progress.cursor("sink", PLAN.source), progress.place("sink"), progress.plan("sink")) == (0, b"", None)


def test_two_folders_have_two_identities(progress, tmp_path) -> None:
    """Each folder has an identity of 32 hexadecimal digits."""
    other = Progress(tmp_path)
    assert other.shipper != progress.shipper
    assert len(bytes.fromhex(other.shipper)) == 16
    other.close()


def test_damage_is_counted_once(progress) -> None:
    """A damaged record that is found again isn't counted again."""
    assert progress.damage("a", [1, 2]) == 2
    assert progress.damage("a", [2, 3]) == 1
    assert (progress.damaged("a"), progress.damaged("b")) == (3, 0)


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from customer_risk.serving.record.shipper.progress import Plan, Progress
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
progress = Progress(Path(sys.argv[1]))
size = max(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
for number in range(50):
    plan = Plan("%032x" % number, 1, 1000, tuple(range(1, 900)), b"x" * 500)
    progress.intend("sink", plan)
    progress.settle("sink", plan, b"y" * 500)
"""


def test_a_full_disk_does_not_keep_the_outbox_from_being_emptied(tmp_path) -> None:
    """On a full disk, progress is written to space that its file has had from the start."""
    subprocess.run([sys.executable, "-c", _FULL_DISK, tmp_path], check=True)
    again = Progress(tmp_path)
    assert again.cursor("sink", f"{49:032x}") == 1000
    again.close()
