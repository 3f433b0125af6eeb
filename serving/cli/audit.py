"""`customer-risk audit`: its subcommands' arguments, options and help."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from typing_extensions import override

from customer_risk.model.cli.loading import run


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A time in RFC 3339, or a date; in UTC if it has no offset."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        if isinstance(value, dt.datetime):
            return value
        try:
            read = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-03-01 or 2026-03-01T12:00:00Z", param, ctx)
        return read if read.tzinfo is not None else read.replace(tzinfo=dt.UTC)


_since = click.option(
    "--since", type=Moment(), metavar="TIME", help="Only decisions from this time on: 2026-03-01T12:00:00Z, or a date."
)
_key_file = click.option(
    "--key-file",
    "key_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File with the key, if customer ids are hashed; repeat for each older key, newest first.",
)
_from = click.option(
    "--from", "place", metavar="FOLDER|gs://...|bigquery://PROJECT.DATASET", help="Where the record is shipped to."
)
_by = click.option("--by", help="Your name; by default your login name.")
_access_log = click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CUSTOMER_RISK_ACCESS_LOG",
    show_envvar=True,
    help="File of the access log; by default record.access_log, else standard error.",
)
_outbox = click.option(
    "--outbox", type=click.Path(path_type=Path), help="Outbox folder, for records that aren't shipped yet."
)
_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The server's YAML file, which names both; the other options override it.",
)


def _reading(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the record is."""
    for option in (_config, _outbox, _from):
        command = option(command)
    return command


def _logged(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the access log."""
    for option in (_access_log, _by):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """Read, verify, replay and erase recorded decisions."""


@audit.command()
@click.argument("decision_id")
@_reading
@click.option("--transactions", is_flag=True, help="Show the transactions too, as the model used them.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
@_logged
def show(**given: Any) -> None:
    """Show one decision's record.

    The record has the time, the customer, the model, the answer, its reasons, and the features of the decision.
    """
    run("customer_risk.serving.audit.commands:show", **given)


@audit.command(name="list")
@_reading
@_since
@click.option("--customer", help="Only decisions on this customer, by the id in requests.")
@_key_file
@_logged
def list_(**given: Any) -> None:
    """List decisions of a customer or from a time on.

    Exit code 1: a segment or a record can't be read; see standard error.
    """
    run("customer_risk.serving.audit.commands:list_", **given)


@audit.command()
@click.argument("decision_id", required=False)
@_reading
@_since
@click.option("--sample", type=click.IntRange(1), help="Number of decisions to sample, from all or from --since on.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample.")
@click.option(
    "--registry",
    envvar="CUSTOMER_RISK_REGISTRY",
    show_envvar=True,
    help="The registry with the bundles: a folder, or gs://BUCKET/PREFIX.",
)
@click.option(
    "--bundle", "bundles", type=click.Path(path_type=Path), multiple=True, help="Folder of a bundle; can be repeated."
)
@click.option(
    "--rules",
    "rule_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="YAML file of fallback rules, in addition to the package's own; can be repeated.",
)
@_logged
def replay(**given: Any) -> None:
    """Compute decisions again and compare.

    Replays DECISION_ID, all decisions --since a time, or a --sample, each with its bundle or rules. If this machine has
    the CPU family of the machine that answered, every bit must be equal. Otherwise numbers may differ by 1e-9, and the
    segment, the action, and the order of reasons and patterns must be equal.

    \b
    Exit codes:
    1  a decision differs, or a record can't be read
    3  a decision can't be replayed, since its bundle or rules are missing
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    run("customer_risk.serving.audit.commands:replay", **given)


@audit.command()
@_reading
@click.option(
    "--anchor",
    metavar="FOLDER|gs://...|FILE",
    help="Anchors to compare with: a location of record.ship.anchors, or a file with the shipper's log.",
)
def verify(**given: Any) -> None:
    """Find missing, altered, added and repeated records.

    Every segment is compared with the chain of manifests, every erasure with the chain of erasures. The exit code is 1
    if there is a problem; the output names each. With --outbox or --config, the chain's end is compared with the
    shipper's progress. With --anchor, the chains are compared with the anchors.
    """
    run("customer_risk.serving.audit.commands:verify", **given)


@audit.command()
@click.argument("customer")
@_reading
@click.option("--why", required=True, help="The reason, for example the reference of the request.")
@_key_file
@_logged
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--take-lock", is_flag=True, help="Replace the lock of an erasure whose process has ended.")
def erase(**given: Any) -> None:
    """Erase a customer's data from the record.

    The time, the id and the model of each decision on CUSTOMER stay. Each segment with the customer's records is
    replaced by a segment without the data. A record of the erasure names the segments and the reason, so `verify`
    accepts these changes and no others; `replay` says "erased". With --config, every sink is erased. Only one erasure
    runs at a time for each store. Exit code 1: erase again later; the output says why.
    """
    run("customer_risk.serving.audit.mutations:erase", **given)


@audit.command()
@click.argument("customer")
@_reading
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="New folder for the two files."
)
@_key_file
@_logged
def export(**given: Any) -> None:
    """Write all recorded data on a customer to two files.

    One file is JSON, the other is text. With --config, all sinks and the outbox are read. Both files have the same
    decisions, each with the places that store it. Exit code 1: a segment or a record can't be read; see standard error.
    """
    run("customer_risk.serving.audit.export:export", **given)


@audit.command()
@click.option(
    "--outbox", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="The outbox folder."
)
@click.option("--sink", required=True, help="The emptied sink: folder, gcs or bigquery.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only records from this time on.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=60,
    show_default=True,
    help="Seconds to wait until the shipper has ended.",
)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def reship(**given: Any) -> None:
    """Ship again to a sink that was emptied.

    The sink gets all records that the outbox still has. The shipper must not run meanwhile: the command waits until it
    has ended, and a new shipper waits for the command. A sink that still has the records gets them twice.
    """
    run("customer_risk.serving.audit.mutations:reship", **given)


@audit.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The server's YAML file.",
)
def init(**given: Any) -> None:
    """Create the tables and folders of all sinks, and test each.

    Existing tables get the columns that they lack; nothing is removed.
    """
    run("customer_risk.serving.audit.mutations:init", **given)
