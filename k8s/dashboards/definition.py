"""What the dashboards show.

Queries have the placeholders `${selector}` (labels of a release's pods), `${every}` (labels of the pods of all releases
of the namespace) and `${window}` (the time over which rates are computed).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from k8s.alerts import default_thresholds

Unit = Literal["per second", "share", "seconds", "bytes", "number"]
ROUTES: Final = "/ai/v1/risk|/v1/models|/v2/models|grpc:ModelInfer"  # of single decisions


class Query(NamedTuple):
    """A PromQL expression, and the label whose value names each of its series (empty: `name` is the series' name)."""

    expression: str
    label: str = ""
    name: str = ""


class Panel(NamedTuple):
    """A chart. `look_for` tells a person what to look for; `limit` is a threshold at which an alert fires."""

    title: str
    look_for: str
    unit: Unit
    queries: tuple[Query, ...]
    limit: float | None = None
    table: bool = False


class Dashboard(NamedTuple):
    """A page of panels, three in a row."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def _sum(metric: str, by: str, *, labels: str = "") -> Query:
    """Return the rate of a counter by one label."""
    return Query(f"sum by ({by}) (rate(customer_risk_{metric}{{${{selector}}{labels}}}[${{window}}]))", by)


def _quantile(share: float, metric: str, name: str, labels: str = "") -> Query:
    rate = f"rate(customer_risk_{metric}_bucket{{${{selector}}{labels}}}[${{window}}])"
    return Query(f"histogram_quantile({share}, sum by (le) ({rate}))", name=name)


def _value(metric: str, by: str = "", *, function: str = "sum") -> Query:
    grouped = f" by ({by})" if by else ""
    return Query(f"{function}{grouped} (customer_risk_{metric}{{${{selector}}}})", by, "" if by else metric)


def _by_release(expression: str) -> Query:
    """Return an expression, which has the labels namespace and pod, by release."""
    named = f'label_replace({expression}, "release", "$1", "pod", "(.+)-predictor-.+")'
    return Query(f"sum by (namespace, release) ({named})", "release")


def _share(part: str, whole: str, name: str) -> Query:
    rates = [f"sum(rate(customer_risk_{each}[${{window}}]))" for each in (part, whole)]
    return Query(f"{rates[0]} / {rates[1]}", name=name)


_LIMITS: Final = default_thresholds()
_OF_SINGLE: Final = f',route=~"{ROUTES}"'

SERVICE: Final = Dashboard(
    "service",
    "Customer risk: service",
    (
        Panel(
            "Requests by route",
            "A route that stops, or grows suddenly.",
            "per second",
            (_sum("requests_total", "route"),),
        ),
        Panel(
            "Responses by status",
            "Any 5xx. 4xx of one caller are that caller's mistake.",
            "per second",
            (_sum("requests_total", "code"),),
        ),
        Panel(
            "Share of errors",
            "Above the line, CustomerRiskErrors pages.",
            "share",
            (_share('requests_total{${selector},code=~"5..",code!="501"}', "requests_total{${selector}}", "errors"),),
            limit=_LIMITS["errorShare"],
        ),
        Panel(
            "Duration of single decisions",
            "p95 above the line is slow for callers. p99 rises first.",
            "seconds",
            tuple(
                _quantile(share, "request_duration_seconds", name, _OF_SINGLE)
                for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            limit=_LIMITS["p95Seconds"],
        ),
        Panel(
            "Wait for the event loop, p99",
            "More than a few milliseconds: the pods have more work than cores.",
            "seconds",
            (_quantile(0.99, "queue_wait_seconds", "wait"), _quantile(0.99, "event_loop_lag_seconds", "lag of timers")),
        ),
        Panel(
            "Requests in flight by pod",
            "A pod with more than the others hangs or gets more connections.",
            "number",
            (_value("requests_in_flight", "pod"),),
        ),
        Panel(
            "CPU cores in use by pod",
            "Near the number of workers: the pod is full.",
            "number",
            (_sum("cpu_seconds_total", "pod"),),
        ),
        Panel(
            "Memory by pod",
            "A line that only rises is a leak. Pages that workers share count once for each worker.",
            "bytes",
            (_value("resident_memory_bytes", "pod"),),
        ),
        Panel("Ready pods", "Fewer than replicas: look at the pods.", "number", (_value("ready"),)),
        Panel(
            "Refusals by kind",
            "overloaded: add pods. unauthenticated: tokens. not-ready: a pod starts.",
            "per second",
            (_sum("refusals_total", "kind"),),
        ),
        Panel(
            "Dead workers and refused bundles",
            "Both must be 0.",
            "per second",
            (
                Query("sum(rate(customer_risk_worker_deaths_total{${selector}}[${window}]))", name="dead workers"),
                Query(
                    'sum(rate(customer_risk_reloads_total{${selector},result="refused"}[${window}]))',
                    name="refused bundles",
                ),
            ),
        ),
        Panel(
            "Open jobs",
            "A number that doesn't fall: the process of jobs hangs.",
            "number",
            (_value("jobs_open", function="max"),),
        ),
    ),
)
RECORD: Final = Dashboard(
    "record",
    "Customer risk: record",
    (
        Panel(
            "Lag by sink",
            "Above the line, CustomerRiskRecordLag fires: the sink is slow or down.",
            "seconds",
            (_value("record_lag_seconds", "sink", function="max"),),
            limit=_LIMITS["lagSeconds"],
        ),
        Panel(
            "Waiting records by sink",
            "Must return to a small number.",
            "number",
            (_value("record_lag_records", "sink"),),
        ),
        Panel(
            "Stored records by sink",
            "As many as decisions and refusals.",
            "per second",
            (_sum("record_shipped_total", "sink"),),
        ),
        Panel(
            "Outbox by pod",
            "Near the size of the disk's four fifths, decisions are refused.",
            "bytes",
            (_value("record_outbox_bytes", "pod"),),
        ),
        Panel(
            "Failed writes by sink",
            "Each is tried again; a constant rate is a fault.",
            "per second",
            (_sum("record_failures_total", "sink"),),
        ),
        Panel(
            "Dead letters and quarantined records",
            "Both must be 0: a person must look at each.",
            "number",
            (
                Query("sum(customer_risk_record_dead_letters_total{${selector}})", name="dead letters"),
                Query("sum(customer_risk_record_quarantined_total{${selector}})", name="quarantined"),
            ),
        ),
        Panel(
            "Pods that can't record, and unrecorded answers",
            "Both must be 0.",
            "number",
            (
                Query("sum(customer_risk_record_failing{${selector}})", name="pods that can't record"),
                Query("sum(increase(customer_risk_unrecorded_total{${selector}}[${window}]))", name="unrecorded"),
            ),
        ),
        Panel(
            "Outboxes of ended pods",
            "Shipped by the next pod of the node; must return to 0.",
            "number",
            (_value("record_adopted"),),
        ),
    ),
)
MODEL: Final = Dashboard(
    "model",
    "Customer risk: model",
    (
        Panel("Decisions by action", "The mix must be stable.", "per second", (_sum("decisions_total", "action"),)),
        Panel("Decisions by segment", "The mix must be stable.", "per second", (_sum("decisions_total", "segment"),)),
        Panel(
            "Share flagged by the model",
            "Review and proposals to off-board. CustomerRiskFlaggedShare fires outside its band.",
            "share",
            (
                _share(
                    'decisions_total{${selector},source="model",action!="none"}',
                    'decisions_total{${selector},source="model"}',
                    "flagged",
                ),
            ),
            limit=_LIMITS["flaggedMaximum"],
        ),
        Panel(
            "Warnings by field",
            "A new field: a caller changed something.",
            "per second",
            (_sum("warnings_total", "field"),),
        ),
        Panel(
            "Warnings by code",
            "UNKNOWN_CATEGORY: a value that the model doesn't know.",
            "per second",
            (_sum("warnings_total", "code"),),
        ),
        Panel(
            "Patterns",
            "A pattern that becomes frequent: an attack, or wrong times or amounts.",
            "per second",
            (_sum("patterns_total", "code"),),
        ),
        Panel(
            "Share answered by rules",
            "Above 0 the model fails, or an administrator forced rules.",
            "share",
            (_share('decisions_total{${selector},source="rules"}', "decisions_total{${selector}}", "rules"),),
        ),
        Panel(
            "Pods by bundle",
            "Two bundles at once only during a release.",
            "number",
            (_value("bundle_info", "version", function="count"),),
        ),
        Panel(
            "Loads of bundles",
            "taken: another bundle answers. refused: it is invalid.",
            "number",
            (Query("sum by (result) (increase(customer_risk_reloads_total{${selector}}[${window}]))", "result"),),
        ),
    ),
)
FLEET: Final = Dashboard(
    "fleet",
    "Customer risk: all models",
    (
        Panel(
            "Requests by model",
            "A model that gets none.",
            "per second",
            (_by_release("rate(customer_risk_requests_total{${every}}[${window}])"),),
            table=True,
        ),
        Panel(
            "Share of errors by model",
            "The model with the largest.",
            "share",
            (
                Query(
                    _by_release(
                        'rate(customer_risk_requests_total{${every},code=~"5..",code!="501"}[${window}])'
                    ).expression
                    + " / "
                    + _by_release("rate(customer_risk_requests_total{${every}}[${window}])").expression,
                    "release",
                ),
            ),
            table=True,
        ),
        Panel(
            "Mean duration by model",
            "The slowest model.",
            "seconds",
            (
                Query(
                    _by_release("rate(customer_risk_request_duration_seconds_sum{${every}}[${window}])").expression
                    + " / "
                    + _by_release("rate(customer_risk_request_duration_seconds_count{${every}}[${window}])").expression,
                    "release",
                ),
            ),
            table=True,
        ),
        Panel(
            "Share flagged by model",
            "A model whose mix differs from its usual one.",
            "share",
            (
                Query(
                    _by_release('rate(customer_risk_decisions_total{${every},action!="none"}[${window}])').expression
                    + " / "
                    + _by_release("rate(customer_risk_decisions_total{${every}}[${window}])").expression,
                    "release",
                ),
            ),
            table=True,
        ),
        Panel(
            "Ready pods by model",
            "A model with fewer than its replicas.",
            "number",
            (_by_release("customer_risk_ready{${every}}"),),
            table=True,
        ),
        Panel(
            "Waiting records by model",
            "A model whose sink is slow.",
            "number",
            (_by_release("customer_risk_record_lag_records{${every}}"),),
            table=True,
        ),
    ),
)
DASHBOARDS: Final = (SERVICE, RECORD, MODEL, FLEET)


def filled(query: Query, *, selector: str, every: str, window: str) -> str:
    """Return the query's PromQL with its placeholders replaced."""
    text = query.expression
    for name, value in (("selector", selector), ("every", every), ("window", window)):
        text = text.replace(f"${{{name}}}", value)
    return text


def of_release(query: Query, namespace: str, release: str, *, window: str = "5m") -> str:
    """Return the query's PromQL for one release; queries of all models, for its namespace."""
    every = f'namespace="{namespace}",pod=~".+-predictor-.+"'
    selector = f'namespace="{namespace}",pod=~"{release}-predictor-.+"'
    return filled(query, selector=selector, every=every, window=window)
