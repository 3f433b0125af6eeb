# ruff: noqa: INP001  a script
"""Measure the cost of recording a decision, in microseconds and bytes, in both forms of a record; print Markdown.

    .venv/bin/python -m benchmarks.record_cost [--rounds 40]

The requests of 64 customers are answered and then recorded in both forms in turn. Only the recording is measured, with
the processor's caches as an answer leaves them, as in a server. "In a loop" is the time of encoding alone: the fastest
of a hundred loops, because other work on the machine only adds time. The other figures are medians. The outbox is in a
temporary folder. Each record is committed separately; a server commits the records of one turn of its event loop
together.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import msgspec

from benchmarks.serving.material import make_material
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.record.outbox.record import VERSION, Record, encode_decision, hash_names, pack
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.recorder import Recorder

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer

CALLER: Final = "payments"
ROUTE: Final = "/ai/v1/risk"
TOOK: Final = 240
_encode_1: Final = msgspec.msgpack.Encoder().encode


class Costs(NamedTuple):
    """Microseconds of encoding in a loop; medians over all requests of each step's microseconds and of the bytes."""

    loop: float
    encode: float
    add: float
    commit: float
    bytes: float


def form_1(answer: Answer, *, cpu: str, names: str) -> bytes:
    """Return a decision's record as releases before form 2 wrote it; these hashed the names for each record."""
    del names
    basis, decision = answer.basis, answer.decision
    return _encode_1(
        Record(
            version=VERSION,
            kind="decision",
            record_id=answer.decision_id,
            at=answer.at,
            took=TOOK,
            route=ROUTE,
            caller=CALLER,
            trace="",
            customer_id=answer.customer_id,
            status=200,
            problem="",
            pointers=(),
            source=answer.source,
            model=answer.model.name,
            model_version=answer.model.version,
            cpu=cpu,
            probability=decision.probability,
            segment=decision.segment,
            action=decision.action,
            reasons=decision.reasons,
            warnings=answer.warnings,
            names=hash_names(basis.names),
            features=basis.values.tobytes(),
            encoded=b"" if basis.encoded is None else pack(basis.encoded),
            history_complete=basis.history_complete,
        )
    )


def form_2(answer: Answer, *, cpu: str, names: str) -> bytes:
    """Return a decision's record as this release writes it."""
    return encode_decision(
        answer, customer_id=answer.customer_id, caller=CALLER, route=ROUTE, trace="", took=TOOK, cpu=cpu, names=names
    )


FORMS: Final[dict[str, Callable[..., bytes]]] = {"1": form_1, "2": form_2}


def measure(service: Service, bodies: Sequence[bytes], folder: Path, rounds: int) -> tuple[dict[str, Costs], float]:
    """Return each form's costs, and the microseconds that `Recorder.decided` and `commit` take together."""
    outboxes = {name: Outbox(folder / name, most_bytes=10**9, file_bytes=4 * 2**20) for name in FORMS}
    whole = Outbox(folder / "whole", most_bytes=10**9, file_bytes=4 * 2**20)
    recorder, cpu = Recorder(whole, cpu=cpu_family()), cpu_family()
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in FORMS}
    recorded = []
    for turn in range(rounds):
        for body in bodies:
            for name in list(FORMS)[:: 1 if turn % 2 else -1]:
                answer = service.answer(body)
                taken[name].append(_timed(answer, FORMS[name], outboxes[name], cpu))
            answer = service.answer(body)
            begin = time.perf_counter()
            recorder.decided(answer, caller=CALLER, route=ROUTE, trace=None, took=TOOK)
            recorder.commit()
            recorded.append((time.perf_counter() - begin) * 1e6)
    recorder.close()
    for outbox in outboxes.values():
        outbox.close()
    answers = [service.answer(body) for body in bodies]
    costs = {
        name: Costs(_loop(FORMS[name], answers, cpu), *(statistics.median(each) for each in zip(*rows, strict=True)))
        for name, rows in taken.items()
    }
    return costs, statistics.median(recorded)


def _loop(encode: Callable[..., bytes], answers: Sequence[Answer], cpu: str) -> float:
    names = hash_names(answers[0].basis.names)
    fastest = min(timeit.repeat(lambda: [encode(each, cpu=cpu, names=names) for each in answers], number=5, repeat=100))
    return fastest / 5 / len(answers) * 1e6


def _timed(answer: Answer, encode: Callable[..., bytes], outbox: Outbox, cpu: str) -> tuple[float, ...]:
    names, names_hash = answer.basis.names, hash_names(answer.basis.names)
    begin = time.perf_counter()
    body = encode(answer, cpu=cpu, names=names_hash)
    encoded = time.perf_counter()
    outbox.add(body, names, names_hash)
    added = time.perf_counter()
    outbox.commit()
    committed = time.perf_counter()
    return (encoded - begin) * 1e6, (added - encoded) * 1e6, (committed - added) * 1e6, len(body)


@click.command(help=__doc__)
@click.option("--rounds", default=40, show_default=True, help="How often each request is recorded in each form.")
def main(rounds: int) -> None:
    """Run the benchmark and print its table."""
    with tempfile.TemporaryDirectory() as scratch:
        material = make_material(Path(scratch) / "model")
        service = Service("customer-risk")
        service.use(load_bundle(material.bundle))
        click.echo("| one decision | form | bytes | encoding us, in a loop | after an answer | outbox us | commit us |")
        click.echo("|---|---|---|---|---|---|---|")
        whole = {}
        for request, bodies in {
            "features given": material.given_bodies(),
            "50 raw transactions": material.raw_bodies(),
        }.items():
            costs, whole[request] = measure(service, bodies, Path(scratch) / request, rounds)
            for form, each in costs.items():
                cells = (f"{each.bytes:,.0f}", *(f"{value:.1f}" for value in each[:4]))
                click.echo(f"| {request} | {form} | {' | '.join(cells)} |")
    told = ", ".join(f"{request} {value:.1f} us" for request, value in whole.items())
    click.echo(f"\n`Recorder.decided` and `commit` in all, form 2: {told}.")


if __name__ == "__main__":
    main()
