"""Renders the alerts of the chart as a Prometheus rule file, for tests and for a Prometheus outside a cluster."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parent.parent.parent / "helm/customer-risk"
DEFINITION: Final = CHART / "files/alerts.yaml"
RUNBOOKS: Final = "https://github.com/deblock/customer-risk/blob/main/docs/runbooks"
UNPROVEN: Final = "unproven against the real exporter"  # said of each rule that reads metrics of kube-state-metrics
OUTBOX_BYTES: Final = 2**31 * 4 // 5  # of the chart's default record.outboxSize
_DURATION: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Rules = dict[str, Any]


def default_thresholds() -> dict[str, float]:
    """Return the thresholds of the chart's values.yaml by name."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return dict(values["alerts"]["thresholds"])


def parts() -> dict[str, list[str]]:
    """Return the alerts that only one part of a release needs, by the part's name."""
    return dict(yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["parts"])


def rules(
    *,
    namespace: str = "local",
    name: str = "customer-risk",
    runbooks: str = RUNBOOKS,
    thresholds: Mapping[str, float] | None = None,
    disabled: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    pace: float = 1.0,
    outbox_bytes: int = OUTBOX_BYTES,
) -> Rules:
    """Return the rule file of one release, as Prometheus reads it.

    `thresholds` replace the chart's defaults; `labels` are added to each alert; every duration is divided by `pace`.
    Raises ValueError for an unknown threshold or a disabled name that isn't an alert.
    """
    known = default_thresholds()
    if unknown := set(thresholds or ()) - set(known):
        raise ValueError(f"{sorted(unknown)} are not thresholds. The thresholds are {', '.join(known)}.")
    values: dict[str, object] = {
        "selector": f'namespace="{namespace}",pod=~"{name}-predictor-.+"',
        "namespace": namespace,
        "name": name,
        "runbooks": runbooks,
        "outbox_bytes": outbox_bytes,
        **known,
        **(thresholds or {}),
    }
    text = DEFINITION.read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"${{{key}}}", str(value))
    groups: list[Rules] = yaml.safe_load(text)["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    if wrong := set(disabled) - set(alerts):
        raise ValueError(f"{sorted(wrong)} are not alerts. The alerts are {', '.join(alerts)}.")
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") not in disabled]
        group["interval"] = _divided(group["interval"], pace)
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"(?<=\[)[^]]+(?=\])", lambda found: _divided(found[0], pace), rule["expr"])
            for key in {"for", "keep_firing_for"} & set(rule):
                rule[key] = _divided(rule[key], pace)
            if "alert" in rule:
                rule["labels"] |= labels or {}
    return {"groups": [group for group in groups if group["rules"]]}


def _divided(duration: str, pace: float) -> str:
    """Return a duration of Prometheus divided by the pace; at least a millisecond."""
    if pace == 1:
        return duration
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))
    return f"{max(1, round(seconds * 1000 / pace))}ms"
