"""Profiles the work of a request without HTTP, with cProfile."""

from __future__ import annotations

import cProfile
import io
import pstats
import time

import msgspec

from benchmarks.serving.material import Material


def profile(material: Material, *, seconds: float = 2.0, lines: int = 15) -> str:
    """Return the microseconds of a request in both forms without the profiler, and the most expensive functions.

    The profiler slows small Python functions more than compiled ones: trust the order of the functions, not the times.
    """
    from customer_risk.model.scoring.bundle import load_bundle  # noqa: PLC0415  it compiles
    from customer_risk.serving.contract.answer import render  # noqa: PLC0415
    from customer_risk.serving.decisions.service import Service  # noqa: PLC0415

    service = Service("customer-risk")
    service.use(load_bundle(material.bundle))
    written = []
    for name, bodies in (("features given", material.given_bodies()), ("50 raw transactions", material.raw_bodies())):

        def work(span: float, bodies: list[bytes] = bodies) -> int:
            done, end = 0, time.perf_counter() + span
            while time.perf_counter() < end:
                for body in bodies:
                    msgspec.json.encode(render(service.answer(body), explain=True))
                done += len(bodies)
            return done

        work(0.2)
        began = time.process_time()
        done = work(seconds)
        each = 1e6 * (time.process_time() - began) / done
        profiler = cProfile.Profile()
        profiler.runcall(work, seconds)
        out = io.StringIO()
        pstats.Stats(profiler, stream=out).strip_dirs().sort_stats("tottime").print_stats(lines)
        kept = out.getvalue().split("Ordered by", 1)[-1].split("\n", 2)[-1].rstrip()
        written.append(f"{name}: {each:.0f} us of CPU time for a request in the process, without HTTP\n{kept}")
    return "\n\n".join(written)
