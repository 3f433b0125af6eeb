"""The commands of the README, as a reader types them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

README = Path(__file__).parents[2] / "README.md"


def test_the_request_waits_for_a_server_that_has_just_been_started(
    start, command, bundle, sound_request, tmp_path
) -> None:
    """The README's curl, sent at once after the start, prints the answer and nothing else."""
    (line,) = re.findall(r"^curl .*", README.read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / "request.json").write_text(json.dumps(sound_request))
    server = start(command, bundle)
    words = [
        word.replace("build/demo", str(tmp_path)).replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
        for word in shlex.split(line, comments=True)
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout)["customer_id"] == sound_request["customer_id"]
