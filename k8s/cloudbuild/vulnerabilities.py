"""Which vulnerabilities of a scan stop a build: grave ones that can be mended, unless one was accepted for a time."""

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

GRAVE: Final = frozenset({"CRITICAL", "HIGH"})


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that is let pass until a day, with the reason."""

    id: str
    why: Annotated[str, msgspec.Meta(min_length=10)]
    until: dt.date


class Acceptances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of those that are let pass."""

    accepted: tuple[Accepted, ...]


class Found(msgspec.Struct, frozen=True):
    """One vulnerability of the scan."""

    id: str
    severity: str
    package: str
    mended: str

    def __str__(self) -> str:
        """Give it as a line of the build's log."""
        return f"{self.severity:9} {self.id}  {self.package}: {self.mended or 'not mended yet'}"


def found(scan: list[dict[str, Any]]) -> Iterator[Found]:
    """Read what `gcloud artifacts docker images list-vulnerabilities --format=json` printed.

    Raises KeyError where it isn't of that form: a scan that can't be read is no clean one.
    """
    for occurrence in scan:
        vulnerability = occurrence["vulnerability"]
        severity = vulnerability["effectiveSeverity"]
        issues = vulnerability["packageIssue"]
        mended = [issue.get("fixedVersion", {}).get("fullName", "") for issue in issues if issue.get("fixAvailable")]
        packages = sorted({issue["affectedPackage"] for issue in issues})
        name = occurrence["noteName"].rpartition("/")[2]
        yield Found(name, severity, ", ".join(packages), ", ".join(filter(None, mended)))


def stopping(every: list[Found], accepted: tuple[Accepted, ...], today: dt.date) -> list[Found]:
    """Give those that stop the build."""
    passing = {each.id for each in accepted if each.until >= today}
    return [each for each in every if each.severity in GRAVE and each.mended and each.id not in passing]


@click.command()
@click.argument("scan", type=click.Path(exists=True, path_type=Path))
@click.argument("accepted", type=click.Path(exists=True, path_type=Path))
def main(scan: Path, accepted: Path) -> None:
    """List what SCAN found; end with 1 where something grave has a newer version and isn't in ACCEPTED."""
    known = msgspec.convert(yaml.safe_load(accepted.read_text(encoding="utf-8")), Acceptances)
    every = list(found(msgspec.json.decode(scan.read_bytes(), type=list[dict[str, Any]])))
    stops = stopping(every, known.accepted, dt.datetime.now(dt.UTC).date())
    for each in every:
        echo(f"{'STOPS ' if each in stops else '      '}{each}")
    echo(f"{len(every)} vulnerabilities, {len(stops)} of which stop the build")
    sys.exit(bool(stops))


if __name__ == "__main__":
    main()
