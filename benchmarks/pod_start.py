# ruff: noqa: INP001, T201  a script that prints a table
"""Measure the steps of a pod's start: `benchmarks/pod_start.py RELEASE NAMESPACE [TIMES]`.

Deletes pods of the release, one after the other, TIMES times in all, and reads the times that the cluster stores, in
whole seconds. For pods with one core: helm upgrade --reset-then-reuse-values
--set resources.limits.cpu=1,resources.requests.cpu=1.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import datetime
from itertools import pairwise
from typing import Any

from kubernetes import client, config

SERVER = "kserve-container"
STEPS = ("scheduled", "bundle fetched", "shipper started", "server started", "ready")


def moments(pod: Any) -> dict[str, datetime] | None:
    """Return when each step ended; None until all have ended."""
    status = pod.status
    conditions = {each.type: each.last_transition_time for each in status.conditions or [] if each.status == "True"}
    found: dict[str, datetime] = {"made": pod.metadata.creation_timestamp}
    if "Ready" not in conditions:
        return None
    found["scheduled"] = conditions["PodScheduled"]
    for each in status.init_container_statuses or []:
        if each.state.terminated:
            found["bundle fetched"] = each.state.terminated.finished_at
        elif each.state.running:
            found["shipper started"] = each.state.running.started_at
    (server,) = (each for each in status.container_statuses if each.name == SERVER)
    found["server started"] = server.state.running.started_at
    found["ready"] = conditions["Ready"]
    return found


def main(release: str, namespace: str, times: int = 10) -> None:
    """Measure the starts and print the table."""
    config.load_kube_config()
    core = client.CoreV1Api()
    labels = {"label_selector": f"serving.kserve.io/inferenceservice={release}"}
    seen: set[str] = set()
    rows: list[dict[str, float]] = []
    for _ in range(times):
        before = core.list_namespaced_pod(namespace, **labels).items
        seen |= {pod.metadata.name for pod in before}
        core.delete_namespaced_pod(before[0].metadata.name, namespace)
        while True:
            new = [pod for pod in core.list_namespaced_pod(namespace, **labels).items if pod.metadata.name not in seen]
            found = moments(new[0]) if new else None
            if found:
                break
            time.sleep(0.5)
        order = [name for name in ("made", *STEPS) if name in found]
        rows.append(
            {f"{a} -> {b}": (found[b] - found[a]).total_seconds() for a, b in pairwise(order)}
            | {"made -> ready": (found["ready"] - found["made"]).total_seconds()}
        )
        print(rows[-1], flush=True)
        time.sleep(5)
    print(f"\n| of {times} pods | median s | mean s | most s |\n|---|---|---|---|")
    for step in rows[0]:
        values = [row[step] for row in rows]
        print(f"| {step} | {statistics.median(values):.0f} | {statistics.fmean(values):.1f} | {max(values):.0f} |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
