"""What the decision record's tests share."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.failing_disk import disk

__all__ = ["disk"]  # a fixture


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module of records, documents and segments to test with."""
    spec = spec_from_file_location("conformance", Path(__file__).with_name("conformance.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
