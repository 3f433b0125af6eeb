"""`python -m customer_risk.serving.bulk.jobs`: takes the lowest priority, and only then imports the runner."""

from __future__ import annotations

import contextlib
import os


def main() -> None:
    """Run the worker of jobs at the lowest priority, so that jobs don't delay requests."""
    os.nice(19)
    with contextlib.suppress(AttributeError, OSError):  # not available on every system, and not always permitted
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    from customer_risk.serving.bulk.jobs.runner import work  # noqa: PLC0415  it takes seconds, during which the server starts

    work()


if __name__ == "__main__":
    main()
