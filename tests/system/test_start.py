"""The start compiles nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
ANSWER = """
import sys
import llvmlite.binding as binding
binding.get_host_cpu_name = lambda: "haswell"
from pathlib import Path
from customer_risk.model import compilation
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.decisions.verification import load_verified
assert Path(compilation.__file__).is_relative_to(Path.cwd()), compilation.__file__
service = Service("customer-risk")
service.use(load_verified(Path(sys.argv[1])))
service.answer(sys.stdin.buffer.read())
print(compilation.counts)
"""


@pytest.fixture
def install(tmp_path) -> Path:
    """The code of an image: compiled by `customer-risk compile` on a CPU that is called skylake."""
    folder = tmp_path / "install"
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("*.nb[ic]"))  # the targets of its links
    code = (
        "import llvmlite.binding as b; b.get_host_cpu_name = lambda: 'skylake'\n"
        "from customer_risk.serving.cli.commands import compile_; compile_()"
    )
    environment = os.environ | {"NUMBA_CPU_NAME": "skylake"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"\d+ functions compiled for x86-64-v3, 0 were compiled before\n", done.stderr), done.stderr
    return folder


def test_code_compiled_on_one_cpu_serves_on_another_from_a_read_only_disk(install, bundle, sound_request) -> None:
    """An image that is built on one machine starts and answers on another one without compiling."""
    import msgspec

    read_only = f"mount --bind {install} {install} && mount -o remount,bind,ro {install} && cd {install} && "
    refused = 'if touch customer_risk/model/x 2>/dev/null; then exit 9; fi; exec "$@"'
    arguments = ["unshare", "--mount", "sh", "-c", read_only + refused, "sh", sys.executable, "-c", ANSWER, bundle]
    environment = os.environ | {"HOME": "/nonexistent", "NUMBA_CPU_NAME": "znver2"}
    done = subprocess.run(
        arguments, input=msgspec.json.encode(sound_request), env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert re.fullmatch(rb"Counts\(loaded=\d+, compiled=0, lost=0\)\n", done.stdout), done.stdout
