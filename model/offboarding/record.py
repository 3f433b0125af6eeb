"""The record of a scoring run (run.json): the hashes of its inputs and files, to which a sign-off refers."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, UnsetType

from customer_risk.model.config import SignOff
from customer_risk.model.errors import SignOffError
from customer_risk.model.files import read_file
from customer_risk.model.offboarding.criteria import RuleOrigin
from customer_risk.model.tables.storage import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.tables.mapping import CohortName, Mapping

NAME: Final = "run.json"
SCHEMA_VERSION: Final = 2
_READ: Final = (1, SCHEMA_VERSION)  # version 1 lacks the fields that may be UNSET
_REMEDY: Final = (
    "Give the folder that `customer-risk score` wrote, unchanged, or score again and have the new list decided."
)


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scoring run.

    `run` is the sha256 of all fields except `run` and `files`. `tables` and `files` map the names of files to their
    sha256; `scores` is the sha256 of scores.parquet. `corroboration` has the patterns of the action rule with their
    thresholds, including `usual` of LARGE_AMOUNT. `action_rule` is the rule's version; `action_rule_from` says whether
    the bundle or the configuration has the rule. `wordings` is the version of the texts of reasons. `earlier` maps each
    folder of earlier sign-offs to the sha256 of its newest receipt. `sign_off` says who may decide; in runs of schema
    version 1 it is UNSET, and any person may decide.

    A field that a later schema version adds is UNSET by default, so that the ids of earlier runs don't change.
    """

    schema_version: int = SCHEMA_VERSION
    made_at: datetime
    bundle: str
    bundle_name: str
    catalogue_hash: str
    cohort: str
    tables: dict[str, str]
    corroboration: dict[str, dict[str, float]]
    corroboration_minimum: int
    thresholds: dict[str, float]
    counts: dict[str, int]
    traps: dict[str, int]
    scores: str
    sign_off: SignOff | UnsetType = UNSET
    action_rule: int | UnsetType = UNSET
    action_rule_from: RuleOrigin | UnsetType = UNSET
    wordings: int | UnsetType = UNSET
    earlier: dict[str, str] | UnsetType = UNSET
    run: str = ""
    files: dict[str, str] = {}

    @property
    def rules(self) -> SignOff:
        """Who may decide on the list, and whether another person must approve."""
        return SignOff() if self.sign_off is UNSET else self.sign_off


def identified(run: Run) -> Run:
    """Return the record with its id, computed from the other fields."""
    bare = msgspec.structs.replace(run, run="", files={})
    return msgspec.structs.replace(run, run=sha256(msgspec.json.encode(bare, order="deterministic")))


def encode(run: Run) -> bytes:
    """Return the content of run.json."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"


def read_run(folder: Path) -> Run:
    """Read a run's record. Raises SignOffError if it can't be read or its id doesn't match its fields."""
    path = folder / NAME
    try:
        run = msgspec.json.decode(read_file(path), type=Run)
    except (OSError, msgspec.DecodeError) as error:
        raise SignOffError(f"{path} can't be read as a scoring run's record: {error}.", remedy=_REMEDY) from error
    if run.schema_version not in _READ:
        raise SignOffError(
            f"{path} has the schema version {run.schema_version}; this release reads {' and '.join(map(str, _READ))}.",
            remedy="Sign with the release that scored.",
        )
    if identified(run).run != run.run:
        raise SignOffError(f"{path} was altered: its contents don't give its run id.", remedy=_REMEDY)
    return run


def verified(folder: Path, run: Run, name: str) -> bytes:
    """Read one of a run's files. Raises SignOffError if it can't be read or its sha256 isn't the recorded one."""
    path = folder / name
    try:
        content = read_file(path)
    except OSError as error:
        raise SignOffError(f"{path} can't be read: {error}.", remedy=_REMEDY) from error
    # The run's id covers the sha256 of scores.parquet, but not those in `files`.
    expected = run.scores if name == "scores.parquet" else run.files.get(name)
    if sha256(content) != expected:
        raise SignOffError(f"{path} was altered after the run: its sha256 isn't the one in {NAME}.", remedy=_REMEDY)
    return content


def hash_tables(folder: Path, cohort: CohortName, mapping: Mapping) -> dict[str, str]:
    """Map each file that a cohort is read from to its sha256, and the users of the other cohort if they exist."""
    other: CohortName = "labelled" if cohort == "unlabelled" else "unlabelled"
    names = (mapping.file("users", cohort), mapping.file("transactions", cohort), mapping.file("users", other))
    paths = (folder / f"{name}.{suffix}" for name in names for suffix in FORMATS)
    return {path.name: _file_sha256(path) for path in sorted(paths) if path.is_file()}


def sha256(content: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
