"""What the decision record's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.serving.record.failing import mounted


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module of records, documents and segments to test with."""
    spec = spec_from_file_location("conformance", Path(__file__).with_name("conformance.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, 4 MB and 400 files large."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted(place, "-t", "tmpfs", "-o", "size=4m,nr_inodes=400", "none")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
