"""The process of a batch: runs by its settings, and ends with an exit code."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

import msgspec

from customer_risk.model.escaping import escape_line
from customer_risk.serving.bulk.exchange import bulk_exchange
from customer_risk.serving.bulk.tables.inputs.factory import open_source
from customer_risk.serving.bulk.tables.outputs.factory import open_output
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.run import Interrupted, Run
from customer_risk.serving.bulk.tables.scoring import RecordsLost, Scoring
from customer_risk.serving.bulk.tables.settings import BatchSettings, load_settings
from customer_risk.serving.bulk.tables.shipper_process import RecordsLeft, Shipping
from customer_risk.serving.decisions.factory import create_service
from customer_risk.serving.decisions.verification import load_verified
from customer_risk.serving.errors import Later
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.telemetry.logs import configure

OVER: Final = 0
AGAIN: Final = 1
REFUSED: Final = 3
JOB: Final = "CUSTOMER_RISK_JOB"
_SCHEDULED: Final = re.compile(r"-(\d{8})$")  # names of a CronJob's jobs end in their due time, in minutes since 1970
_PASSING: Final = (SinkUnavailable, Later, RecordsLost, RecordsLeft, Interrupted)
_log = logging.getLogger("serving.batch")


def main(config: Path, bundle: Path, day: dt.date | None) -> int:
    """Run, and return the exit code; raises CustomerRiskError for errors that a repeated run would have too."""
    settings = load_settings(config)
    configure(settings.logs)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        summary = score(settings, bundle, day, stopping)
    except _PASSING as error:
        _log.error("the run isn't finished: %s", error)
        return AGAIN
    _print(summary)
    share = summary["refused"] / max(summary["rows"], 1)
    if share > settings.most_refused:
        _log.error("%.1f%% of the rows were refused, more than most_refused", 100 * share)
        return REFUSED
    return OVER


def score(settings: BatchSettings, bundle: Path, given: dt.date | None, stopping: threading.Event) -> dict[str, Any]:
    """Run the batch for the day `given` or that of the settings; return the summary.

    Raises CustomerRiskError for errors that a repeated run would have too, one of _PASSING for others.
    """
    day = day_of(given or settings.run, os.environ.get(JOB, ""), dt.datetime.now(dt.UTC)).isoformat()
    name = f"{settings.name}-{day}"
    patience = Patience(settings.patience_seconds, stopping=stopping)
    service = create_service(settings.model_name, settings.rules)
    service.use(load_verified(bundle.resolve()))
    source = open_source(settings.input, name, service.names())
    output = open_output(settings.output, name, day)
    exchange = bulk_exchange(service, settings.record, settings.logs)
    scoring = Scoring(exchange, explain=settings.explain, caller=name, patience=patience)
    model = service.model()
    _log.info("run %s begins, with %s %s", name, model.name, model.version)
    try:
        with Shipping(settings.record, settings.logs) as shipping:
            run = Run(
                source,
                output,
                scoring,
                name=name,
                day=day,
                part_rows=settings.part_rows,
                least_rows=settings.least_rows,
                patience=patience,
                stopping=stopping,
                shipping=shipping,
            )
            try:
                summary = run.run({"model": {"name": model.name, "version": model.version}})
            finally:
                exchange.close()
            shipping.finish(settings.patience_seconds)
            return summary
    finally:
        source.close()
        output.close()


def day_of(given: dt.date | None, job_name: str, now: dt.datetime) -> dt.date:
    """Return the day: `given`, or the due day of the CronJob's job, also after midnight, or that of `now`, in UTC."""
    if given is not None:
        return given
    found = _SCHEDULED.search(job_name)
    return (dt.datetime.fromtimestamp(int(found[1]) * 60, dt.UTC) if found else now).date()


def _print(summary: dict[str, Any]) -> None:
    """Write the summary to standard output, as a JSON line that Cloud Logging parses."""
    segments = ", ".join(f"{count:,} {segment}" for segment, count in summary["segments"].items())
    message = (
        f"run {summary['run']}: {summary['rows']:,} rows ({segments}; {summary['refused']:,} refused) "
        f"in {summary['seconds']:,.1f} s, {summary['rows_per_second']:,.0f} rows a second"
    )
    sys.stdout.write(
        escape_line(msgspec.json.encode({"severity": "INFO", "message": message, "batch": summary}).decode()) + "\n"
    )
    sys.stdout.flush()
