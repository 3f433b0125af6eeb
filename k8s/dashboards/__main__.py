"""Writes the dashboards: `python -m k8s.dashboards`, or those of a release for Cloud Monitoring into `--out`."""

from __future__ import annotations

from pathlib import Path

import click

from k8s.alerts import CHART
from k8s.dashboards.cloud_monitoring import cloud_monitoring
from k8s.dashboards.definition import DASHBOARDS
from k8s.dashboards.grafana import grafana

_FOLDER = Path(__file__).parent / "cloud-monitoring"


@click.command(help=__doc__)
@click.option("--namespace", default="customer-risk-production", show_default=True)
@click.option("--release", default="customer-risk", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write those for Cloud Monitoring only.")
def main(namespace: str, release: str, out: Path | None) -> None:
    """Write the chart's dashboards for Grafana and an example for Cloud Monitoring, or with `--out` only the latter."""
    if out is None:
        for shown in DASHBOARDS:
            _write(CHART / f"files/dashboards/{shown.name}.json", grafana(shown))
    for shown in DASHBOARDS:
        _write((out or _FOLDER) / f"{shown.name}.json", cloud_monitoring(shown, namespace, release))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
