"""`customer-risk audit`: read the decision record, replay it, verify it, erase from it, ship it again."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.bundles import Bundles
from customer_risk.serving.audit.display import tell_record, tell_replays, tell_table, tell_transactions
from customer_risk.serving.audit.mutations import erase, init, reship
from customer_risk.serving.audit.options import Moment, Where, key_file, reading
from customer_risk.serving.audit.progress import Progress
from customer_risk.serving.audit.records import Told
from customer_risk.serving.audit.replay import Replayed, Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.outbox.record import document, written
from customer_risk.serving.record.shipper.progress import NAME
from customer_risk.serving.record.shipper.progress import Progress as Shipped
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.verification import verify as verified

_DIFFERS: Final = 1  # exit codes, beside click's 2 for what can't be done
_NOT_AT_HAND: Final = 3
_since = click.option("--since", type=Moment(), metavar="TIME", help="From a time on: 2026-03-01T12:00:00Z, or a date.")


@click.group()
def audit() -> None:
    """Read the decision record: what was decided, on what, by what, and whether it would be decided again."""


@audit.command()
@click.argument("decision_id")
@reading
@click.option("--transactions", is_flag=True, help="Show the transactions too, as the model took them.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
def show(decision_id: str, where: Where, transactions: bool, as_json: bool) -> None:
    """Show one decision's record.

    When DECISION_ID was made, for whom, by what, the answer, its reasons, and the features that it rests on.
    """
    told = _one(where, decision_id)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(document(told.record, told.names)), indent=2))
    else:
        tell_record(told)
        if transactions:
            tell_transactions(told.record)


@audit.command(name="list")
@reading
@_since
@click.option("--customer", help="One customer's alone, by the id that requests have.")
@key_file
def list_(where: Where, since: dt.datetime | None, customer: str | None, key_file: Path | None) -> None:
    """List a customer's decisions, or a time's."""
    if customer is None and since is None:
        raise click.UsageError("Give --customer or --since.")
    rows = []
    for record, _ in where.records().since(since, None if customer is None else where.named(customer, key_file)):
        if record.kind == "decision":
            likely = "" if record.probability is None else f"{record.probability:.4f}"
            rows.append((written(record.at), record.record_id, record.segment, record.action, likely, record.source))
    tell_table(("decided at", "decision", "segment", "action", "probability", "by"), sorted(rows))


@audit.command()
@click.argument("decision_id", required=False)
@reading
@_since
@click.option("--sample", type=click.IntRange(1), help="So many decisions, drawn from all (or all from --since on).")
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
def replay(
    decision_id: str | None,
    where: Where,
    since: dt.datetime | None,
    sample: int | None,
    seed: int,
    registry: str | None,
    bundles: tuple[Path, ...],
    rule_files: tuple[Path, ...],
) -> None:
    """Compute decisions again and compare.

    DECISION_ID, all --since a time, or a --sample. Each is computed with the very bundle (or rules) that gave it.
    Where this machine's CPU is of the family that answered, all must be equal to the bit; else numbers within
    1e-9, with the same segment, action and reasons in their order. Exit code 1: something differs, or records
    can't be read. 3: something can't be replayed, since its bundle or rules aren't here.
    """
    if (decision_id is None) == (since is None and sample is None):
        raise click.UsageError("Give a DECISION_ID, or --since, or --sample.")
    if where.settings is not None and where.settings.rules.file:
        rule_files = (*rule_files, Path(where.settings.rules.file))
    rules = [load_rules(), *(load_rules(path) for path in rule_files)]
    replayer = Replayer(Bundles(registry, bundles).find, rules)
    records = where.records()
    if decision_id is not None:
        chosen: Iterable[Told] = [_one(where, decision_id)]
    else:
        chosen = records.since(since)
        if sample is not None:
            chosen = _drawn(chosen, sample, seed)
    progress = Progress("records replayed")

    def replayed() -> Iterator[Replayed]:
        for told in chosen:
            yield replayer.replay(*told)
            progress.step()

    _end(tell_replays(replayed()), records.unreadable)


@audit.command()
@reading
def verify(where: Where) -> None:
    """Find what is missing, altered or added.

    Every segment is held against its chain of manifests; each problem is named, and the exit code is 1. With the
    outbox's folder (--outbox, --config), what its shipper knows of each chain's end is held against it too.
    """
    if not where.places:
        raise ConfigError("Nothing says where the record is shipped to.", remedy="Give --from or --config.")
    sound = True
    for place in where.places:
        report = verified(place.objects, ends=_ends(where.outbox, place.sink))
        for problem in report.problems:
            click.echo(problem)
        sound = sound and report.ok
        click.echo(
            f"{place.where}: {report.segments} segments with {report.records} records, {report.erased} of them after "
            f"an erasure: {'as they were written' if report.ok else f'{len(report.problems)} problems'}"
        )
    if not sound:
        raise click.exceptions.Exit(_DIFFERS)


audit.add_command(erase)
audit.add_command(reship)
audit.add_command(init)


def _end(outcomes: Counter[str], unreadable: int) -> None:
    """End with the exit code that replays lead to."""
    if not outcomes:
        click.echo("There is no record to replay.")
    if unreadable:
        click.echo(f"{unreadable} records can't be read.")
    if outcomes["differs"] or unreadable:
        raise click.exceptions.Exit(_DIFFERS)
    if outcomes["not at hand"]:
        raise click.exceptions.Exit(_NOT_AT_HAND)


def _one(where: Where, decision_id: str) -> Told:
    told = where.records().one(decision_id)
    if told is None:
        raise ConfigError(
            f"No record of {decision_id} is here.",
            remedy="It may not be shipped yet (--outbox), or be in another place (--from), or past the retention.",
        )
    return told


def _drawn(records: Iterable[Told], size: int, seed: int) -> list[Told]:
    """Draw decisions, each as likely as any other, in one pass."""
    drawn: list[Told] = []
    chance, count = random.Random(seed), 0  # noqa: S311  a sample to be repeated, no secret
    for told in records:
        if told.record.kind == "refusal":
            continue
        count += 1
        if len(drawn) < size:
            drawn.append(told)
        elif (place := chance.randrange(count)) < size:
            drawn[place] = told
    return drawn


def _ends(outbox: Path | None, sink: str) -> dict[str, Link]:
    """Read where the outbox's shipper believes its chain to end."""
    if outbox is None or not (outbox / NAME).exists():
        return {}
    progress = Shipped(outbox)
    try:
        place = progress.place(sink)
        return {progress.shipper: Link.read(place)} if place else {}
    finally:
        progress.close()
