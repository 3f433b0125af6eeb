"""Whether the sinks hold each decision that a caller received, once: `python -m loadtest.records OUT RECORDED`.

OUT is the folder of a run of loadtest.step; RECORDED a file with the decision id of every record in a sink, one a line.
Give it once the shipper has caught up. Decisions that a sink holds and nobody received (a caller gave up, other
traffic) are told, and are no fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from customer_risk.model.terminal import echo_lines
from loadtest.gates import DEFAULT, Gates, GatesError, Verdict, all_held, load_gates, table

DECISIONS = "decisions.txt"  # in the folder of a run: every decision that a caller received


def judge_records(answered: Iterable[str], recorded: Iterable[str], gates: Gates) -> list[Verdict]:
    """Compare the decisions received with those in a sink."""
    received, kept = set(answered), Counter(recorded)
    lost = len(received - kept.keys())
    doubled = sum(times > 1 for times in kept.values())
    others = len(kept.keys() - received)
    return [
        Verdict("records lost", f"<= {gates.lost_records}", f"{lost} of {len(received)}", lost <= gates.lost_records),
        Verdict("records twice", f"<= {gates.doubled_records}", f"{doubled}", doubled <= gates.doubled_records),
        Verdict("records nobody received", "", f"{others}", None),
    ]


@click.command(help=__doc__)
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("recorded", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--gates", "gates_file", type=click.Path(path_type=Path), default=DEFAULT)
def main(out: Path, recorded: Path, gates_file: Path) -> None:
    """End with 1 where a record is missing or stands twice, with 2 where that can't be told."""
    try:
        gates = load_gates(gates_file)
    except GatesError as error:
        raise click.UsageError(str(error)) from error
    answered = (out / DECISIONS).read_text().split()
    if not answered:
        raise click.UsageError(f"{out / DECISIONS} holds no decision: nothing to compare.")
    verdicts = judge_records(answered, recorded.read_text().split(), gates)
    echo_lines(table(verdicts))
    raise SystemExit(not all_held(verdicts))


if __name__ == "__main__":
    main()
