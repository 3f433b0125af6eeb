"""Where the tests' tables come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real parts beside the checkout; tests that need it report themselves as not run without it."""
    folder = Path(os.environ.get("CUSTOMER_RISK_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the real tables are not here ({folder}); set CUSTOMER_RISK_SHARED")
    return folder


@pytest.fixture(scope="session")
def hometask(shared: Path) -> Path:
    """The real tables."""
    return shared / "data" / "hometask"


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 400 labelled and as many unlabelled synthetic customers."""
    from model.tables.synthetic import synthesize

    folder = tmp_path_factory.mktemp("synthetic")
    synthesize(folder, customers=400, seed=7, risk_rate=0.15)
    return folder
