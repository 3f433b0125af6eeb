"""Checks that a sink has each decision that a caller received, once: `python -m loadtest.records OUT RECORDED`.

OUT is the folder of a run of loadtest.step. RECORDED is a file with the decision id of every record in a sink, one in
each line; make it after the shipper has shipped everything. Decisions that a sink has and no caller received (a caller
gave up, or there was other traffic) are printed and allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from customer_risk.model.terminal import echo_lines
from loadtest.gates import Gates, GatesError, Verdict, all_held, gates_option, load_gates, table

DECISIONS = "decisions.txt"  # in the folder of a run: every decision that a caller received


def judge_records(answered: Iterable[str], recorded: Iterable[str], gates: Gates) -> list[Verdict]:
    """Return the verdicts on the decisions received and those in a sink."""
    received, kept = set(answered), Counter(recorded)
    lost = len(received - kept.keys())
    doubled = sum(times > 1 for times in kept.values())
    others = len(kept.keys() - received)
    return [
        Verdict("records lost", f"<= {gates.lost_records}", f"{lost} of {len(received)}", lost <= gates.lost_records),
        Verdict("records stored twice", f"<= {gates.doubled_records}", f"{doubled}", doubled <= gates.doubled_records),
        Verdict("records of other decisions", "", f"{others}", None),
    ]


@click.command(help=__doc__)
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("recorded", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gates_option
def main(out: Path, recorded: Path, gates_file: Path) -> None:
    """Exit with 1 if a record is missing or there twice, and with 2 if that can't be determined."""
    try:
        gates = load_gates(gates_file)
    except GatesError as error:
        raise click.UsageError(str(error)) from error
    answered = (out / DECISIONS).read_text().split()
    if not answered:
        raise click.UsageError(f"{out / DECISIONS} has no decision, so there is nothing to compare.")
    verdicts = judge_records(answered, recorded.read_text().split(), gates)
    echo_lines(table(verdicts))
    raise SystemExit(not all_held(verdicts))


if __name__ == "__main__":
    main()
