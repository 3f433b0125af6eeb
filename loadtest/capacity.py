"""Measures the capacity of a server: `python -m loadtest.capacity --url URL`.

The capacity is the greatest rate at which the server answers every request for some seconds, refuses none with
Retry-After, and keeps the p99 below the limit. The first rate of loadtest.step (1x) is 60% of the capacity of one pod.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click
import numpy as np

from customer_risk.model.terminal import echo
from loadtest.gates import Gates, GatesError, gates_option, load_gates
from loadtest.generator import GeneratorError, generate, read_outcomes
from loadtest.payloads import make_payloads, save_payloads
from loadtest.plan import Stage
from loadtest.timeline import windows

SHARE: Final = 0.6  # of the capacity of one pod: 1x
_GROWTH: Final = 1.5
_CLOSE: Final = 1.1  # the ratio of the least rate that failed to the greatest rate that passed


class Rung(NamedTuple):
    """A rate, its p99 in ms (infinite if a request failed), its share of refusals with Retry-After, and its result."""

    rate: float
    p99: float
    again: float
    held: bool


def climb(attempt: Callable[[float], Rung], first: float) -> float:
    """Try greater rates until one fails, then rates between; return the greatest rate that passed, or 0."""
    held, missed, rate = 0.0, math.inf, first
    while missed > held * _CLOSE:
        if attempt(rate).held:
            held = rate
        else:
            missed = rate
        if not held and rate < first / 4:
            return 0.0
        rate = held * _GROWTH if missed == math.inf else math.sqrt(held * missed) if held else rate / _GROWTH
    return held


def attempts(
    folder: Path,
    gates: Gates,
    *,
    url: str,
    host: str,
    token_file: Path | None,
    payloads: Path,
    seconds: float,
    minimum_patterns: int,
) -> Callable[[float], Rung]:
    """Return a function that tries a rate."""

    def attempt(rate: float) -> Rung:
        plan = generate(
            folder,
            url=url,
            host=host,
            token_file=token_file,
            payloads=payloads,
            stages=(Stage(rate, seconds),),
            processes=1,
            patience=5.0,
            minimum_patterns=minimum_patterns,
        )
        outcomes = read_outcomes(folder, plan)
        # The first second opens connections.
        p99 = windows(outcomes, 1, int(seconds), int(seconds) - 1)[1]
        again = int((outcomes["again"] > 0).sum()) / len(outcomes)
        rung = Rung(rate, p99, again, p99 < gates.p99_ms and again == 0 and not (outcomes["wrong"] != "").any())
        late = float(np.percentile(outcomes["late_ms"].to_numpy(), 99))
        if not rung.held and gates.generator_late_p99_ms is not None and late > gates.generator_late_p99_ms:
            raise GeneratorError(
                f"At {rate:,.0f} a second the generator was {late:.0f} ms late, so it limits the rate."
            )
        verdict = "passed" if rung.held else "failed"
        echo(f"{rate:8,.0f} a second: p99 {p99:7.1f} ms, {again:.1%} refused with Retry-After: {verdict}")
        return rung

    return attempt


@click.command(help=__doc__)
@click.option("--url", required=True, help="URL of the gateway or server, without a path.")
@click.option("--host", default="", help="Host header; by default that of the URL.")
@click.option("--token-file", type=click.Path(exists=True, path_type=Path), help="File with a bearer token.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/loadtest/capacity"),
    show_default=True,
    help="Folder for the results.",
)
@gates_option
@click.option("--first", default=20.0, show_default=True, help="First rate, in requests a second.")
@click.option(
    "--minimum-patterns", default=1, show_default=True, help="Minimum of the action rule in the bundle's manifest."
)
@click.option("--seconds", default=8.0, show_default=True, help="Seconds at each rate.")
def main(
    *,
    url: str,
    host: str,
    token_file: Path | None,
    out: Path,
    gates_file: Path,
    first: float,
    minimum_patterns: int,
    seconds: float,
) -> None:  # fmt: skip
    """Print each rate, and the capacity."""
    try:
        gates = load_gates(gates_file)
        payloads = out / "payloads.jsonl"
        save_payloads(make_payloads(600, seed=7), payloads)
        attempt = attempts(
            out,
            gates,
            url=url,
            host=host,
            token_file=token_file,
            payloads=payloads,
            seconds=seconds,
            minimum_patterns=minimum_patterns,
        )
        held = climb(attempt, first)
    except (GatesError, GeneratorError) as error:
        raise click.ClickException(str(error)) from error
    echo(f"capacity: {held:,.0f} requests a second; if it is that of one pod, 1x is {SHARE * held:,.0f}")
    raise SystemExit(held == 0)


if __name__ == "__main__":
    main()
