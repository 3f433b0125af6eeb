"""`customer-risk audit`: its subcommands' arguments, options and help."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli.loading import run


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A time: RFC 3339, or a date; UTC where nothing else is said."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Read it; fails as click's own types do."""
        if isinstance(value, dt.datetime):
            return value
        try:
            read = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-03-01 or 2026-03-01T12:00:00Z", param, ctx)
        return read if read.tzinfo is not None else read.replace(tzinfo=dt.UTC)


_since = click.option("--since", type=Moment(), metavar="TIME", help="From a time on: 2026-03-01T12:00:00Z, or a date.")
_key_file = click.option(
    "--key-file",
    "key_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of the key, if customers' ids are hashed; repeat for each older key, the newest first.",
)
_from = click.option(
    "--from", "place", metavar="FOLDER|gs://...|bigquery://PROJECT.DATASET", help="Where the record is shipped to."
)
_by = click.option("--by", help="Who runs this; your login name by default.")
_access_log = click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CUSTOMER_RISK_ACCESS_LOG",
    show_envvar=True,
    help="File of the access log; by default record.access_log, else standard error.",
)
_outbox = click.option("--outbox", type=click.Path(path_type=Path), help="An outbox folder: records not shipped yet.")
_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The server's YAML file, which says both; the other options go before it.",
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
    """Read the decision record: what was decided, on what, by what, and whether it would be decided again."""


@audit.command()
@click.argument("decision_id")
@_reading
@click.option("--transactions", is_flag=True, help="Show the transactions too, as the model took them.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
@_logged
def show(**given: Any) -> None:
    """Show one decision's record.

    When DECISION_ID was made, for whom, by what, the answer, its reasons, and the features that it rests on.
    """
    run("customer_risk.serving.audit.commands:show", **given)


@audit.command(name="list")
@_reading
@_since
@click.option("--customer", help="One customer's alone, by the id that requests have.")
@_key_file
@_logged
def list_(**given: Any) -> None:
    """List a customer's decisions, or a time's.

    Exit code 1: a segment or a record can't be read; see standard error.
    """
    run("customer_risk.serving.audit.commands:list_", **given)


@audit.command()
@click.argument("decision_id", required=False)
@_reading
@_since
@click.option("--sample", type=click.IntRange(1), help="Number of decisions to draw, from all or from --since on.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the drawing.")
@click.option(
    "--registry",
    envvar="CUSTOMER_RISK_REGISTRY",
    show_envvar=True,
    help="The registry that has the bundles by hash: a folder, or gs://BUCKET/PREFIX.",
)
@click.option("--bundle", "bundles", type=click.Path(path_type=Path), multiple=True, help="A bundle's own folder.")
@click.option(
    "--rules",
    "rule_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A YAML file of rules that decided, beside those that come with the package.",
)
@_logged
def replay(**given: Any) -> None:
    """Compute decisions again and compare.

    DECISION_ID, all --since a time, or a --sample. Each is computed with the same bundle (or rules) as before.
    Where this machine's CPU is of the family that answered, all must be equal to the bit; else numbers within
    1e-9, with the same segment, action, reasons and patterns in their order. Exit code 1: something differs, or records
    can't be read. 3: something can't be replayed, since its bundle or rules aren't here.
    """
    run("customer_risk.serving.audit.commands:replay", **given)


@audit.command()
@_reading
@click.option(
    "--anchor",
    metavar="FOLDER|gs://...|FILE",
    help="Anchors to compare with: a place of record.ship.anchors, or a file of the shipper's log lines.",
)
def verify(**given: Any) -> None:
    """Find what is missing, altered, added or stored twice.

    Every segment is compared with its chain of manifests, every erasure with the chain of erasures. Each problem is
    named, and the exit code is then 1. With --outbox or --config, the chain's end is compared with the shipper's
    progress. With --anchor, the chains are compared with the anchors.
    """
    run("customer_risk.serving.audit.commands:verify", **given)


@audit.command()
@click.argument("customer")
@_reading
@click.option("--why", required=True, help="The reason, for example the reference of the request.")
@_key_file
@_logged
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--take-lock", is_flag=True, help="Replace the lock of an erasure whose process is dead.")
def erase(**given: Any) -> None:
    """Erase a customer's data from the record.

    That there were decisions on CUSTOMER, when, which and by what model, stays. Each segment that holds their
    records is replaced by one without the data, and a record of the erasure says which and why, so that `verify`
    accepts exactly that; replay says "erased". With --config, every sink. One erasure runs at a time for each store.
    Exit code 1: erase again later; the output says why.
    """
    run("customer_risk.serving.audit.mutations:erase", **given)


@audit.command()
@click.argument("customer")
@_reading
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the two files; it must not exist yet.",
)
@_key_file
@_logged
def export(**given: Any) -> None:
    """Write all data that the record has on a customer, as JSON and as text.

    With --config, all sinks and the outbox are read. Both files have the same decisions, each with the places that
    store it. Exit code 1: a segment or a record can't be read; see standard error.
    """
    run("customer_risk.serving.audit.export:export", **given)


@audit.command()
@click.option(
    "--outbox", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Its folder."
)
@click.option("--sink", required=True, help="The emptied sink: folder, gcs or bigquery.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only records from this time on.")
@click.option("--wait", type=click.FloatRange(0), default=60, show_default=True, help="Seconds for a shipper to end.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def reship(**given: Any) -> None:
    """Ship again to a sink that was emptied.

    It is given all that the outbox still keeps. The shipper must have ended, since it knows where it was: this
    waits for it, and whatever starts it again waits for this. A sink that still has the records gets them twice.
    """
    run("customer_risk.serving.audit.mutations:reship", **given)


@audit.command()
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The server's YAML."
)
def init(**given: Any) -> None:
    """Make what sinks need, and try each.

    What is there is migrated by adding to it; nothing is removed.
    """
    run("customer_risk.serving.audit.mutations:init", **given)
