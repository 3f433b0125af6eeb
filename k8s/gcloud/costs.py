"""Costs of a site per month, without the decision record (docs/data-storage.md): `python -m k8s.gcloud.costs`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import yaml

from customer_risk.model.terminal import echo_lines

_HOURS: Final = 730.0  # in a month
_DAYS: Final = 30.4
# Assumptions: bytes of a request with 50 transactions, bytes of its answer, series per pod, seconds between scrapes.
_REQUEST, _ANSWER, _SERIES, _INTERVAL = 11_000, 1_500, 300, 30.0
_GIB: Final = 2.0**30


def rows(*, nodes: int, pods: int, decisions: float, merges: int) -> list[tuple[str, str, float]]:
    """Return items with their amount and USD a month, for `decisions` a day and `merges` a month."""
    document = yaml.safe_load((Path(__file__).parent / "prices.yaml").read_text(encoding="utf-8"))
    price = {name: float(entry["usd"]) for name, entry in document["prices"].items()}
    through = decisions * _DAYS * (_REQUEST + _ANSWER) / _GIB
    out = decisions * _DAYS * _ANSWER / _GIB
    balancing = price["forwarding_hour"] * _HOURS + through * price["balanced_gib"]
    samples = pods * _SERIES * _HOURS * 3600 / _INTERVAL / 1e6
    return [
        ("cluster", "one, regional", price["cluster_hour"] * _HOURS),
        ("nodes", f"{nodes} e2-standard-4, in three zones", nodes * price["node_hour"] * _HOURS),
        ("disks of the nodes", f"{nodes} of 100 GiB", nodes * 100 * price["disk_gib"]),
        ("load balancer", f"one rule, {through:,.0f} GiB", balancing),
        ("answers to callers outside Google", f"{out:,.0f} GiB", out * price["egress_gib"]),
        ("NAT", f"{nodes} nodes", nodes * price["nat_node_hour"] * _HOURS),
        ("metrics", f"{samples:,.0f} million samples of {pods} pods", samples * price["samples_million"]),
        ("images", "10 GiB", 10 * price["images_gib"]),
        ("builds", f"{merges} of 60 minutes", merges * 60 * price["build_minute"]),
        ("scans", f"{merges}", merges * price["scan"]),
    ]


def table(made: list[tuple[str, str, float]]) -> str:
    """Return rows as a Markdown table with their total."""
    lines = ["| what | how much | USD a month |", "|---|---|---|"]
    lines += [f"| {what} | {much} | {usd:,.0f} |" for what, much, usd in made]
    return "\n".join([*lines, f"| **total** | | **{sum(usd for *_, usd in made):,.0f}** |"])


@click.command()
@click.option("--nodes", default=3, show_default=True, help="Average number of nodes.")
@click.option("--pods", default=5, show_default=True, help="Average number of the service's pods, including staging.")
@click.option("--decisions", default=10e6, show_default=True, help="Decisions a day.")
@click.option("--merges", default=40, show_default=True, help="Merges to main a month.")
def main(nodes: int, pods: int, decisions: float, merges: int) -> None:
    """Print the costs of a site per month."""
    echo_lines(table(rows(nodes=nodes, pods=pods, decisions=decisions, merges=merges)))


if __name__ == "__main__":
    main()
