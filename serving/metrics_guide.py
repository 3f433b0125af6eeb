"""The reference of the metrics: `python -m customer_risk.serving.metrics_guide > docs/reference/metrics.md`.

Names, types, labels and meanings are those that the processes export.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

from kserve import metrics as kserve_metrics
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from prometheus_client import Histogram

from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.scoring.segments import Action, Segment
from customer_risk.serving.contract.answer import Source
from customer_risk.serving.contract.problem import KINDS, UNEXPECTED
from customer_risk.serving.decisions.input_warnings import WARNINGS
from customer_risk.serving.decisions.reload import Result
from customer_risk.serving.http.scoring_app import ROUTES
from customer_risk.serving.record.shipper.metrics import Exposed
from customer_risk.serving.record.shipper.status import SinkStatus, Status
from customer_risk.serving.record.sinks.settings import SinkSettings
from customer_risk.serving.telemetry.metrics import FIELDS, Metrics
from customer_risk.serving.telemetry.shared_metrics import PREFIX, Description

_PAGE: Final = """# Every metric

<!-- Written by `python -m customer_risk.serving.metrics_guide`; a test compares it with the code. -->

[Metrics, traces and logs](../guide/telemetry.md) explains how to scrape them. Set alerts on `customer_risk_ready` \
([workers](../guide/operate.md#several-workers)),
on answers by rules ([rules](../guide/fallback.md)) and on `customer_risk_record_failing` \
([the record](../guide/record.md#when-the-outbox-cant-be-written)).

Counters end with `_total` and start at 0 with the process. Times are in seconds, sizes in bytes. A histogram `X` has \
the series `X_bucket`, `X_sum`
and `X_count`.

## The server

`customer-risk serve` exports these at `/metrics`, summed over its workers. `server.metrics` sets who can read them.

{server}

Buckets, in seconds (`le`):

{buckets}

## KServe

KServe's own histograms, at the same path: durations of the calls of its V1 and V2 handlers, in seconds.

{kserve}

## The shipper

The shipper exports these at `/metrics` of `record.ship.metrics_host` and `record.ship.metrics_port`; with port 0, the \
default, it exports none.
`serve` runs the shipper as a child process unless `record.ship.embedded` is false.

{shipper}

## Labels

{labels}

## Batch

`customer-risk batch` and the process that runs jobs export no metrics. Each run writes its counts to `summary.json`; \
the status of a job has its counts.
"""
_SINKS: Final = tuple(str(each.__struct_config__.tag) for each in get_args(SinkSettings))
# Settings without which a metric stays at its first value, or isn't exported.
SETTINGS: Final = {
    "shed_total": "server.most_wait_ms",
    "queue_wait_seconds": "server.most_wait_ms",
    "reloads_total": "server.reload_seconds",
    "unrecorded_total": "record.when_full",
    "record_failing": "record.enabled",
    "worker_deaths_total": "server.workers",
    "jwks_age_seconds": "auth.enabled",
    "store_failing": "jobs.enabled",
    "jobs_open": "jobs.enabled",
    "jobs_oldest_seconds": "jobs.enabled",
    "record_adopted": "record.ship.spool",
}
# The probes of the server and its metadata aren't counted.
_CALLS: Final = tuple(
    f"grpc:{each.name}"
    for each in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    if not each.name.startswith("Server")
)
# By metric and label: the meaning, and all values if there is a fixed set.
_LABELS: Final[dict[tuple[str, str], tuple[str, Iterable[str]]]] = {
    ("requests_total", "route"): ("path without identifiers, or method of gRPC", (*ROUTES, *_CALLS)),
    ("requests_total", "code"): ("HTTP status", ()),
    ("request_duration_seconds", "route"): ("as in `requests_total`", ()),
    ("decisions_total", "segment"): ("segment of the customer", get_args(Segment)),
    ("decisions_total", "action"): ("proposed action", get_args(Action)),
    ("decisions_total", "source"): ("what decided", get_args(Source)),
    ("patterns_total", "code"): ("pattern", [each.code for each in PATTERNS]),
    ("warnings_total", "code"): ("warning", WARNINGS),
    ("warnings_total", "field"): ("field of the request, without position or value", [*sorted(FIELDS), "other"]),
    ("refusals_total", "kind"): ("last part of the problem document's `type`", [
        *(each.name for each in KINDS.values()), UNEXPECTED.name,
    ]),
    ("reloads_total", "result"): ("whether the bundle is used", get_args(Result)),
    ("bundle_info", "name"): ("name of the model", ()),
    ("bundle_info", "version"): ("SHA-256 of the bundle", ()),
    ("resident_memory_bytes", "pid"): ("process id of the worker", ()),
    ("record_*", "sink"): ("type of the sink", _SINKS),
    ("request_*_seconds (KServe)", "model_name"): ("name of the model", ()),
}  # fmt: skip


def metrics_guide() -> str:
    """Return the reference as Markdown."""
    metrics = Metrics()
    return _PAGE.format(
        server=_table(metrics.descriptions()),
        buckets="\n".join(
            f"- `{name}`: {', '.join(f'{each:g}' for each in bounds)}" for name, bounds in metrics.buckets().items()
        ),
        kserve=_table(_of_kserve()),
        shipper=_table(_of_shipper()),
        labels="\n".join(_label_rows()),
    )


def _of_shipper() -> Iterator[Description]:
    status = Status(at=0.0, sinks={"folder": SinkStatus()})
    for family in Exposed(lambda: status).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        kind: Any = family.type
        yield Description(name, kind, family.documentation, tuple(family.samples[0].labels))


def _of_kserve() -> Iterator[Description]:
    for each in vars(kserve_metrics).values():
        if isinstance(each, Histogram):
            (family,) = each.describe()
            yield Description(family.name, "histogram", family.documentation, tuple(kserve_metrics.PROM_LABELS))


def _table(descriptions: Iterable[Description]) -> str:
    rows = ["| Metric | Type | Labels | Meaning | Setting |", "|---|---|---|---|---|"]
    for name, kind, text, labels in descriptions:
        shown = ", ".join(f"`{label}`" for label in (*labels, *_EXTRA.get(name, ())))
        setting = SETTINGS.get(name.removeprefix(PREFIX))
        rows.append(f"| `{name}` | {kind} | {shown} | {text} | {f'`{setting}`' if setting else ''} |")
    return "\n".join(rows)


def _label_rows() -> Iterator[str]:
    yield "| Metric | Label | Meaning | Values |"
    yield "|---|---|---|---|"
    for (metric, label), (meaning, values) in _LABELS.items():
        yield f"| `{metric}` | `{label}` | {meaning} | {', '.join(f'`{each}`' for each in values)} |"


_EXTRA: Final[dict[str, tuple[str, ...]]] = {f"{PREFIX}resident_memory_bytes": ("pid",)}  # added by prometheus_client


if __name__ == "__main__":
    sys.stdout.write(metrics_guide())
