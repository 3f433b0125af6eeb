"""Decides which vulnerabilities of an image stop a build: critical and high ones with a fix that aren't accepted."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import click
import msgspec
import yaml

from customer_risk.model.terminal import echo

BLOCKING: Final = frozenset({"CRITICAL", "HIGH"})


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vulnerability that doesn't stop builds up to and including the day `until`, and the reason."""

    id: str
    why: Annotated[str, msgspec.Meta(min_length=10)]
    until: dt.date


class Acceptances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of accepted.yaml."""

    accepted: tuple[Accepted, ...]


class Found(msgspec.Struct, frozen=True):
    """One vulnerability of the scan. `fixed_in` has the package versions with a fix; it is empty if there is no fix."""

    id: str
    severity: str
    package: str
    fixed_in: str

    def __str__(self) -> str:
        """Return the vulnerability as a line of the build's log."""
        return f"{self.severity:9} {self.id}  {self.package}: {self.fixed_in or 'no fix yet'}"


def found(scan: list[dict[str, Any]]) -> Iterator[Found]:
    """Yield the vulnerabilities in the output of `gcloud artifacts docker images list-vulnerabilities --format=json`.

    Raises KeyError if the output has another form, so that an unreadable scan isn't taken for a clean one.
    """
    for occurrence in scan:
        vulnerability = occurrence["vulnerability"]
        severity = vulnerability["effectiveSeverity"]
        issues = vulnerability["packageIssue"]
        fixed = [issue.get("fixedVersion", {}).get("fullName", "") for issue in issues if issue.get("fixAvailable")]
        packages = sorted({issue["affectedPackage"] for issue in issues})
        name = occurrence["noteName"].rpartition("/")[2]
        yield Found(name, severity, ", ".join(packages), ", ".join(filter(None, fixed)))


def stopping(every: list[Found], accepted: tuple[Accepted, ...], today: dt.date) -> list[Found]:
    """Return the vulnerabilities that stop the build."""
    passing = {each.id for each in accepted if each.until >= today}
    return [each for each in every if each.severity in BLOCKING and each.fixed_in and each.id not in passing]


@click.command()
@click.argument("scan", type=click.Path(exists=True, path_type=Path))
@click.argument("accepted", type=click.Path(exists=True, path_type=Path))
def main(scan: Path, accepted: Path) -> None:
    """List the vulnerabilities in SCAN; exit with 1 if a critical or high one has a fix and isn't in ACCEPTED."""
    known = msgspec.convert(yaml.safe_load(accepted.read_text(encoding="utf-8")), Acceptances)
    every = list(found(msgspec.json.decode(scan.read_bytes(), type=list[dict[str, Any]])))
    stops = stopping(every, known.accepted, dt.datetime.now(dt.UTC).date())
    for each in every:
        echo(f"{'STOPS ' if each in stops else '      '}{each}")
    echo(f"{len(every)} vulnerabilities, {len(stops)} of which stop the build")
    sys.exit(bool(stops))


if __name__ == "__main__":
    main()
