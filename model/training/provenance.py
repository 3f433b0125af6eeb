"""The provenance of a run: the commit, the data and the libraries."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from customer_risk.model.tables.cleaning import Cohort

LIBRARIES = ("customer-risk", "msgspec", "numba", "numpy", "optuna", "polars", "scikit-learn", "xgboost-cpu")


def git_commit() -> str:
    """Return the commit of the checkout, with "-dirty" if files differ from it; "unknown" outside of a checkout."""
    this = Path(__file__).resolve()  # git accepts no path through a link to a folder
    here = this.parent
    commit = _git(here, "rev-parse", "HEAD")
    if not commit or _git(here, "ls-files", "--error-unmatch", "--", str(this)) is None:
        return "unknown"  # installed in the checkout of another project
    return commit + ("-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")


def commit_date() -> str:
    """Return the day, in UTC, on which the checkout's commit was made; "unknown" outside of a checkout.

    The date is the commit's, not the run's, so that the same commit and tables give the same report.
    """
    if git_commit() == "unknown":
        return "unknown"
    seconds = _git(Path(__file__).resolve().parent, "show", "--no-patch", "--no-show-signature", "--format=%ct", "HEAD")
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}" if seconds and seconds.isdecimal() else "unknown"


def data_hash(cohort: Cohort) -> str:
    """Return the SHA-256 of the clean cohort: equal for equal customers and events, whatever the files' format."""
    digest = hashlib.sha256()
    for frame in (cohort.customers, cohort.events):
        plain = pl.DataFrame(frame)
        digest.update(plain.select(sorted(plain.columns)).write_csv(datetime_format="%s%.6f").encode())
    return digest.hexdigest()


def libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607  the machine's git
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
