"""A repository of jobs in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from customer_risk.serving.bulk.jobs.repository import JobRepository
    from customer_risk.serving.store.file import FileStore


@pytest.fixture
def jobs_store(tmp_path: Path) -> Iterator[FileStore]:
    """A store in a file."""
    from customer_risk.serving.store.file import FileStore

    made = FileStore(str(tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def jobs_repository(jobs_store: FileStore) -> JobRepository:
    """A repository in that store."""
    from customer_risk.serving.bulk.jobs.repository import JobRepository

    return JobRepository(jobs_store, lease_seconds=1)
