"""Draws the dashboards from a Prometheus: `python -m k8s.dashboards.pictures --help`."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any, Final

import click
import httpx2
import matplotlib as mpl
from matplotlib import dates, ticker
from matplotlib import pyplot as plt

from customer_risk.model.terminal import echo
from k8s.dashboards.definition import DASHBOARDS, Dashboard, Panel, Unit, of_release

_COLUMNS: Final = 3
_MOST_NAMES: Final = 7
_LONGEST_NAME: Final = 28
_POINTS: Final = 150
_SECONDS: Final = 30  # that Prometheus may take for a query
Series = tuple[str, list[dt.datetime], list[float]]


@click.command(help=__doc__)
@click.option("--prometheus", required=True, help="URL of a Prometheus.")
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--namespace", default="local", show_default=True)
@click.option("--release", default="customer-risk", show_default=True)
@click.option("--window", default="30s", show_default=True, help="Time over which rates are computed.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def main(prometheus: str, minutes: float, namespace: str, release: str, window: str, out: Path) -> None:
    """Write one PNG for each dashboard."""
    mpl.use("agg")
    out.mkdir(parents=True, exist_ok=True)
    now = time.time()
    for shown in DASHBOARDS:
        found = {
            panel.title: [
                each
                for query in panel.queries
                for each in ask(
                    prometheus,
                    of_release(query, namespace, release, window=window),
                    query.label,
                    query.name,
                    span=(now - minutes * 60, now),
                )
            ]
            for panel in shown.panels
        }
        draw(shown, found, out / f"{shown.name}.png", span=(now - minutes * 60, now))
        echo(f"{out / shown.name}.png")


def ask(url: str, expression: str, label: str, name: str, *, span: tuple[float, float]) -> list[Series]:
    """Return the series of an expression between two times in seconds since 1970; raises httpx2.HTTPError."""
    params: dict[str, Any] = {"query": expression, "start": span[0], "end": span[1]}
    params["step"] = max(1.0, (span[1] - span[0]) / _POINTS)
    response = httpx2.get(f"{url}/api/v1/query_range", params=params, timeout=_SECONDS)
    response.raise_for_status()
    return [
        (
            each["metric"].get(label, name) if label else name,
            [dt.datetime.fromtimestamp(float(at), dt.UTC) for at, _ in each["values"]],
            [float(value) for _, value in each["values"]],
        )
        for each in response.json()["data"]["result"]
    ]


def draw(shown: Dashboard, found: dict[str, list[Series]], path: Path, *, span: tuple[float, float]) -> None:
    """Draw a dashboard's panels with their series between two times, in seconds since 1970, into a PNG."""
    rows = -(-len(shown.panels) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(15, 3.1 * rows), squeeze=False, layout="constrained")
    figure.suptitle(shown.title, fontsize=14, x=0.01, ha="left")
    for place, axis in enumerate(axes.flat):
        if place >= len(shown.panels):
            axis.set_visible(False)
        else:
            _draw_panel(axis, shown.panels[place], found[shown.panels[place].title])
            axis.set_xlim(*(dt.datetime.fromtimestamp(each, dt.UTC) for each in span))
    figure.savefig(path, dpi=72)
    plt.close(figure)


def _draw_panel(axis: Any, panel: Panel, series: list[Series]) -> None:
    axis.set_title(panel.title, fontsize=10, loc="left")
    highest = max((value for _, _, values in series for value in values if value == value), default=0.0)  # noqa: PLR0124  not NaN
    # Series that stay 0 would fill the legend.
    named = [each for each in series if any(each[2])] if highest else series
    for name, times, values in sorted(named, key=lambda each: -max(each[2]))[:_MOST_NAMES]:
        axis.plot(times, values, linewidth=1.2, label=name if len(name) <= _LONGEST_NAME else f"{name[:12]}...")
    if panel.limit is not None and highest > panel.limit / 10:  # a limit far above the values would flatten them
        axis.axhline(panel.limit, color="tab:red", linewidth=0.8, linestyle="--")
    axis.set_ylim(bottom=0, top=None if highest else 1)
    axis.yaxis.set_major_formatter(_formatter(panel.unit))
    locator = dates.AutoDateLocator(maxticks=5)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    if series:
        axis.legend(fontsize=7, loc="upper left", framealpha=0.7)
    else:
        axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center")


def _formatter(unit: Unit) -> ticker.Formatter:
    if unit == "share":
        return ticker.PercentFormatter(1.0)
    if unit in {"seconds", "bytes"}:
        return ticker.EngFormatter(unit="s" if unit == "seconds" else "B", sep=" ")
    return ticker.ScalarFormatter()


if __name__ == "__main__":
    main()
