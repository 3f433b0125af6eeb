"""Runs one step from 1x to 10x and judges it: `python -m loadtest.step --url URL --out FOLDER --one-x RATE`.

1x is 60% of the capacity of one pod with a CPU limit. Requests are sent at fixed times, independently of the answers,
and latency counts from the time when a request was due. The command writes timeline.png and .svg, seconds.parquet and
.csv, verdicts.json, and decisions.txt with the id of each decision received, which loadtest.records looks for in the
sinks. Exit code 0: all gates held; 1: a gate was missed; 2: the test couldn't be run.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
import polars as pl

from customer_risk.model.terminal import echo, echo_lines
from loadtest.capacity import SHARE, attempts, climb
from loadtest.gates import Gates, GatesError, Verdict, all_held, gates_option, load_gates, table
from loadtest.generator import GeneratorError, generate, read_decisions, read_outcomes
from loadtest.judging import judge
from loadtest.payloads import make_payloads, save_payloads
from loadtest.picture import draw
from loadtest.plan import Plan, Stage
from loadtest.records import DECISIONS
from loadtest.replicas import Replicas, UnseenError, Watch, deployment
from loadtest.timeline import by_second, settled, windows


def _save(
    out: Path, outcomes: pl.DataFrame, plan: Plan, gates: Gates, replicas: list[Replicas], verdicts: list[Verdict]
) -> None:
    frame = by_second(outcomes, plan, replicas)
    frame.write_parquet(out / "seconds.parquet")
    frame.write_csv(out / "seconds.csv")
    (out / "verdicts.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdicts), indent=2))
    (out / DECISIONS).write_text("".join(f"{one}\n" for one in read_decisions(out / "run")))
    step = plan.stages[0].seconds
    took = settled(windows(outcomes, int(step), len(frame), gates.window_seconds), gates.p99_ms)
    draw(frame, step=step, gates=gates, settled=took, folder=out)


@click.command(help=__doc__)
@click.option("--url", required=True, help="URL of the gateway or server, without a path.")
@click.option("--host", default="", help="Host header; by default that of the URL.")
@click.option("--token-file", type=click.Path(exists=True, path_type=Path), help="File with a bearer token.")
@click.option("--namespace", default="", help="Namespace of the Deployment, in the cluster of KUBECONFIG.")
@click.option("--deployment", "name", default="", help="Name of the Deployment whose pods are counted.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option(
    "--one-x",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests a second at 1x; if not given, it is measured, which needs a single pod.",
)
@click.option("--times", default=10.0, show_default=True, help="Factor of the step.")
@click.option("--before", default=30, show_default=True, help="Seconds at 1x.")
@click.option("--after", default=75, show_default=True, help="Seconds after the step.")
@gates_option
@click.option("--payloads", "count", default=600, show_default=True, help="Distinct requests.")
@click.option(
    "--patience", default=30.0, show_default=True, help="Seconds after which a request without an answer has failed."
)
@click.option("--processes", default=1, show_default=True, help="Processes of the generator.")
@click.option(
    "--minimum-patterns", default=1, show_default=True, help="Minimum of the action rule in the bundle's manifest."
)
@click.option("--seed", default=7, show_default=True)
def main(
    *,
    url: str,
    host: str,
    token_file: Path | None,
    namespace: str,
    name: str,
    out: Path,
    one_x: float | None,
    times: float,
    before: int,
    after: int,
    gates_file: Path,
    count: int,
    patience: float,
    processes: int,
    minimum_patterns: int,
    seed: int,
) -> None:  # fmt: skip
    """Run the step; judge, print and save it."""
    try:
        gates = load_gates(gates_file)
        _refuse_unjudgeable(gates, before, after)
        payloads = out / "payloads.jsonl"
        save_payloads(make_payloads(count, seed=seed), payloads)
        if one_x is None:
            attempt = attempts(
                out / "capacity",
                gates,
                url=url,
                host=host,
                token_file=token_file,
                payloads=payloads,
                seconds=8,
                minimum_patterns=minimum_patterns,
            )
            one_x = SHARE * climb(attempt, 20.0)
            if not one_x:
                raise GeneratorError("Fewer than 5 requests a second are answered in time, so 1x is unknown.")  # noqa: TRY301
        stages = (Stage(one_x, before), Stage(times * one_x, after))
        echo(f"{one_x:,.0f} requests a second for {before} s, then {times * one_x:,.0f} for {after} s")
        watch = Watch(deployment(namespace, name)) if name else None
        with watch or nullcontext():
            plan = generate(
                out / "run",
                url=url,
                host=host,
                token_file=token_file,
                payloads=payloads,
                stages=stages,
                processes=processes,
                patience=patience,
                minimum_patterns=minimum_patterns,
            )
    except (GatesError, GeneratorError, UnseenError) as error:
        echo_lines(str(error), err=True)
        raise SystemExit(2) from error
    outcomes = read_outcomes(out / "run", plan)
    verdicts = judge(outcomes, plan, gates, watch.seen if watch else None)
    _save(out, outcomes, plan, gates, watch.seen if watch else [], verdicts)
    echo_lines(table(verdicts))
    for fault in ("failed", "wrong"):
        for text, times_met in outcomes.filter(pl.col(fault) != "")[fault].value_counts(sort=True).head(3).rows():
            echo(f"{fault}, {times_met} times: {text}")
    echo(f"{out / 'timeline.png'}: rate, latency and pods on one time axis")
    raise SystemExit(not all_held(verdicts))


def _refuse_unjudgeable(gates: Gates, before: int, after: int) -> None:
    if before < 2 * gates.window_seconds:
        raise GatesError(
            f"{before} s at 1x are too short for two windows of {gates.window_seconds} s (window_seconds), "
            "the first of which warms up."
        )
    if gates.settled_within_seconds is None:
        return
    if after < gates.settled_within_seconds + gates.window_seconds:
        raise GatesError(
            f"{after} s after the step are shorter than settled_within_seconds ({gates.settled_within_seconds:g} s) "
            f"and one window of {gates.window_seconds} s (window_seconds)."
        )


if __name__ == "__main__":
    main()
