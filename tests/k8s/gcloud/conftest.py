"""Fixtures of the set-up's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.gcloud.site import Site
from tests.k8s.gcloud.google import Google


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Google:
    """The stand-in for Google Cloud, without any resource."""
    return Google(tmp_path, monkeypatch)


@pytest.fixture
def site() -> Site:
    """A site with every optional setting."""
    return Site(
        project="some-project",
        repository="projects/some-project/locations/l/connections/c/repositories/r",
        groups=tuple((name, f"group:{name}@example.com") for name in ("auditors", "erasers", "promoters", "approvers")),
    )
