"""Every alert in a real `promtool test rules`: a series that fires it, and one that doesn't."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from k8s.alerts import OUTBOX_BYTES, rules
from tests.monitoring.prometheus import promtool

pytestmark = pytest.mark.system

_POD: Final = 'namespace="local",pod="customer-risk-predictor-0"'
_KSERVE: Final = Path(__file__).parents[2] / "k8s/overlays/gke/alerts.yaml"


class Case(NamedTuple):
    """Input series that fire an alert at a time, and series just under its condition."""

    fires: dict[str, str]
    not_quite: dict[str, str]
    at: str


def _of(name: str, labels: str = "") -> str:
    return f"customer_risk_{name}{{{_POD}{',' + labels if labels else ''}}}"


def _requests(good: float, bad: float, minutes: int) -> dict[str, str]:
    """Return answers a minute with code 200 and 503."""
    route = 'route="/ai/v1/risk"'
    return {
        _of("requests_total", f'{route},code="200"'): f"0+{good}x{minutes}",
        _of("requests_total", f'{route},code="503"'): f"0+{bad}x{minutes}",
    }


def _durations(all_of_them: float, fast: float, minutes: int) -> dict[str, str]:
    """Return single answers a minute, and how many of them take at most 50 ms; the others take up to a second."""
    route = 'route="/ai/v1/risk"'
    name = "request_duration_seconds"
    return {
        _of(f"{name}_count", route): f"0+{all_of_them}x{minutes}",
        **{_of(f"{name}_bucket", f'{route},le="{le}"'): f"0+{fast}x{minutes}" for le in ("0.05", "0.1")},
        **{_of(f"{name}_bucket", f'{route},le="{le}"'): f"0+{all_of_them}x{minutes}" for le in ("1", "+Inf")},
    }


def _decided(none: float, review: float, minutes: int, source: str = "model") -> dict[str, str]:
    """Return decisions a minute by action."""
    labels = f'segment="low",source="{source}"'
    return {
        _of("decisions_total", f'{labels},action="none"'): f"0+{none}x{minutes}",
        _of("decisions_total", f'{labels},action="review"'): f"0+{review}x{minutes}",
    }


def _gauge(name: str, fires: float, not_quite: float, labels: str = "") -> Case:
    series = _of(name, labels)
    return Case({series: f"{fires}+0x60"}, {series: f"{not_quite}+0x60"}, "30m")


def _counter(name: str, most: int, labels: str = "") -> Case:
    """Return a counter that rises beyond `most` in one minute, and one that doesn't."""
    series = _of(name, labels)
    rise = max(1, round(most * 1.2) + 1)
    return Case({series: f"0+0x5 {rise}+0x5"}, {series: f"0+0x5 {max(0, most - 1)}+0x5" if most else "0+0x10"}, "8m")


_HPA: Final = 'namespace="local",horizontalpodautoscaler="customer-risk"'
_CURRENT: Final = f"kube_horizontalpodautoscaler_status_current_replicas{{{_HPA}}}"
_MAXIMUM: Final = f"kube_horizontalpodautoscaler_spec_max_replicas{{{_HPA}}}"
_RESTARTS: Final = f'kube_pod_container_status_restarts_total{{{_POD},container="kserve-container"}}'
_FAILED: Final = 'kube_job_status_failed{namespace="local",job_name="customer-risk-batch-1"}'
_SUCCESS: Final = 'kube_cronjob_status_last_successful_time{namespace="local",cronjob="customer-risk-batch"}'
_REPLICAS: Final = 'kube_deployment_status_replicas_available{deployment="kserve-controller-manager"}'
_UNKNOWN: Final = 'code="UNKNOWN_CATEGORY",field="occupation"'

CASES: Final = {
    "CustomerRiskAvailabilityBurn": Case(_requests(98, 2, 120), _requests(99.5, 0.5, 120), "110m"),
    "CustomerRiskAvailabilityBurnSlow": Case(_requests(99.6, 0.4, 1500), _requests(99.95, 0.05, 1500), "1450m"),
    "CustomerRiskLatencyBurn": Case(_durations(100, 80, 120), _durations(100, 95, 120), "110m"),
    "CustomerRiskLatencyBurnSlow": Case(_durations(100, 96, 1500), _durations(100, 99.5, 1500), "1450m"),
    "CustomerRiskSlow": Case(_durations(100, 94, 60), _durations(100, 96, 60), "30m"),
    "CustomerRiskErrors": Case(_requests(98.9, 1.1, 60), _requests(99.1, 0.9, 60), "20m"),
    "CustomerRiskNoTraffic": Case(
        _requests(0, 0, 60) | {_of("ready"): "1+0x60"}, _requests(1, 0, 60) | {_of("ready"): "1+0x60"}, "30m"
    ),
    "CustomerRiskNotReady": _gauge("ready", 0, 1),
    "CustomerRiskPodsNotReady": _gauge("ready", 0, 1),
    "CustomerRiskWorkersDie": _counter("worker_deaths_total", 2),
    "CustomerRiskRestarts": Case({_RESTARTS: "0+0x5 4+0x20"}, {_RESTARTS: "0+0x5 1+0x20"}, "20m"),
    "CustomerRiskAtMaximum": Case(
        {_CURRENT: "10+0x60", _MAXIMUM: "10+0x60"}, {_CURRENT: "9+0x60", _MAXIMUM: "10+0x60"}, "30m"
    ),
    "CustomerRiskReloadRefused": _counter("reloads_total", 0, 'result="refused"'),
    "CustomerRiskRulesAnswer": Case(
        _decided(98.9, 0, 60) | {_of("decisions_total", 'segment="low",source="rules",action="none"'): "0+1.1x60"},
        _decided(99.1, 0, 60) | {_of("decisions_total", 'segment="low",source="rules",action="none"'): "0+0.9x60"},
        "30m",
    ),
    "CustomerRiskFlaggedShare": Case(_decided(89.5, 10.5, 90), _decided(90.5, 9.5, 90), "80m"),
    "CustomerRiskUnknownCategories": Case(
        _decided(100, 0, 60) | {_of("warnings_total", _UNKNOWN): "0+1.1x60"},
        _decided(100, 0, 60) | {_of("warnings_total", _UNKNOWN): "0+0.9x60"},
        "40m",
    ),
    "CustomerRiskKeysNotRefreshed": _gauge("jwks_age_seconds", 901, 899),
    "CustomerRiskTokensRefused": _counter("refusals_total", 100, 'kind="unauthenticated"'),
    "CustomerRiskStoreAway": _gauge("store_failing", 1, 0),
    "CustomerRiskJobsStuck": _gauge("jobs_oldest_seconds", 1801, 1799),
    "CustomerRiskBatchFailed": Case({_FAILED: "1+0x60"}, {_FAILED: "0+0x60"}, "30m"),
    # promtool's clock begins at 0, so the last success at 0 is 27 hours and 25 hours ago.
    "CustomerRiskBatchLate": Case({_SUCCESS: "0+0x1700"}, {_SUCCESS: "7200+0x1700"}, "27h"),
    "CustomerRiskLogLinesDropped": _counter("log_lines_dropped_total", 0),
    "CustomerRiskRecordFailing": _gauge("record_failing", 1, 0),
    "CustomerRiskUnrecorded": _counter("unrecorded_total", 0),
    "CustomerRiskOutboxFilling": _gauge("record_outbox_bytes", 0.81 * OUTBOX_BYTES, 0.79 * OUTBOX_BYTES),
    "CustomerRiskShipperAbsent": Case(
        {_of("ready"): "1+0x60"}, {_of("ready"): "1+0x60", _of("record_outbox_bytes"): "0+0x60"}, "30m"
    ),
    "CustomerRiskRecordLag": _gauge("record_lag_seconds", 301, 299, 'sink="gcs"'),
    "CustomerRiskDeadLetters": _counter("record_dead_letters_total", 0, 'sink="gcs"'),
    "CustomerRiskQuarantine": _counter("record_quarantined_total", 0),
    "KServeControllerDown": Case({_REPLICAS: "0+0x60"}, {_REPLICAS: "1+0x60"}, "30m"),
}
# One error in a quiet minute, or no series at all, is too little for a ratio.
RATIOS: Final = {
    "CustomerRiskAvailabilityBurn": _requests(0, 1, 120),
    "CustomerRiskAvailabilityBurnSlow": _requests(0, 1, 1500),
    "CustomerRiskLatencyBurn": _durations(1, 0, 120),
    "CustomerRiskLatencyBurnSlow": _durations(1, 0, 1500),
    "CustomerRiskSlow": _durations(1, 0, 60),
    "CustomerRiskErrors": _requests(0, 1, 60),
    "CustomerRiskFlaggedShare": _decided(0, 1, 90),
    "CustomerRiskUnknownCategories": _decided(1, 0, 60) | {_of("warnings_total", _UNKNOWN): "0+1x60"},
}


def _document() -> dict[str, Any]:
    document = rules()
    kserve = yaml.safe_load(_KSERVE.read_text(encoding="utf-8"))
    return {"groups": document["groups"] + kserve["spec"]["groups"]}


def _alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in _document()["groups"] for rule in group["rules"] if "alert" in rule}


class Question(NamedTuple):
    """Whether an alert fires at a time, for input series."""

    alert: str
    series: Mapping[str, str]
    at: str


def _of_alert(alert: str) -> dict[str, Any]:
    """Return the recording rules, and this alert alone."""
    groups = copy.deepcopy(_document()["groups"])
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert", alert) == alert]
    return {"groups": [group for group in groups if group["rules"]]}


def _firing(folder: Path, questions: Sequence[Question]) -> set[str]:
    """Return the alerts that fire in the questions, which are asked of one promtool.

    promtool compares with expected alerts: each question expects that no alert fires, and fails if the alert does.
    """
    for place, (alert, series, at) in enumerate(questions):
        inputs = [{"series": name, "values": values} for name, values in series.items()]
        asked = [{"eval_time": at, "alertname": alert, "exp_alerts": []}]
        test = {"interval": "1m", "input_series": inputs, "alert_rule_test": asked}
        case = {"rule_files": [f"rules-{place}.yaml"], "evaluation_interval": "1m", "tests": [test]}
        (folder / f"rules-{place}.yaml").write_text(yaml.safe_dump(_of_alert(alert)))
        (folder / f"test-{place}.yaml").write_text(yaml.safe_dump(case))
    names = [f"test-{place}.yaml" for place in range(len(questions))]
    done = promtool("test", "rules", *names, cwd=folder)
    said = done.stdout + done.stderr
    outcomes = re.findall(r"^ *(SUCCESS|FAILED):?", said, re.MULTILINE)
    assert len(outcomes) == len(questions), said
    firing = set(re.findall(r"alertname: (\w+), time", said))
    assert outcomes.count("FAILED") == len(firing), said
    return firing


def test_every_alert_has_a_case():
    """Every alert of the chart and of KServe has series that fire it and series that don't."""
    assert set(CASES) == set(_alerts())


def test_every_alert_fires(tmp_path):
    """An alert fires when its condition holds."""
    assert _firing(tmp_path, [Question(alert, case.fires, case.at) for alert, case in CASES.items()]) == set(CASES)


def test_no_alert_fires_just_under_its_condition(tmp_path):
    """An alert doesn't fire when its condition just doesn't hold."""
    assert _firing(tmp_path, [Question(alert, case.not_quite, case.at) for alert, case in CASES.items()]) == set()


def test_a_ratio_of_too_little_traffic_does_not_fire(tmp_path):
    """An alert on a ratio doesn't fire while there is too little traffic."""
    assert _firing(tmp_path, [Question(alert, few, CASES[alert].at) for alert, few in RATIOS.items()]) == set()


def test_without_data_only_the_alerts_on_absent_series_fire(tmp_path):
    """If no series exists at all, only the alerts fire that say so."""
    silent = {"CustomerRiskNotReady", "KServeControllerDown"}
    assert _firing(tmp_path, [Question(alert, {}, case.at) for alert, case in CASES.items()]) == silent


def test_every_alert_leads_to_its_runbook():
    """Every alert has a severity, a summary of what to look at, a description, and the address of its own page."""
    for name, rule in _alerts().items():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert "ook at" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
