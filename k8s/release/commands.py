"""`python -m k8s.release deploy|gate|rollback|move`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from customer_risk.model.terminal import echo, echo_lines
from k8s.release.cluster import Cluster
from k8s.release.deployment import Deployment
from k8s.release.errors import ReleaseError
from k8s.release.helm import Helm
from k8s.release.storage import move as move_history


def _common(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--release", required=True, help="The Helm release."),
        click.option("--namespace", required=True, help="Where it is."),
        click.option("--fullname", help="What its objects are called, if not as the release."),
        click.option("--seconds", default=600.0, show_default=True, help="How long a rollout may take."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def release() -> None:
    """Bring a release into the cluster that KUBECONFIG names, and know that it answers."""


@release.command()
@_common
@click.option("--chart", default="helm/customer-risk", show_default=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--values", "-f", multiple=True, type=click.Path(exists=True, path_type=Path), help="Values files, in order."
)
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Single values, after the files.")
def deploy(chart: Path, values: tuple[Path, ...], sets: tuple[str, ...], **common: Any) -> None:
    """Install or upgrade, then wait until all pods are new and ready and the golden requests are answered.

    A first install gets its route only then. An upgrade that fails is rolled back, and this ends with 1.
    """
    files = [part for file in values for part in ("--values", str(file))]
    single = [part for pair in sets for part in ("--set", pair)]
    _deployment(**common).deploy(chart, (*files, *single))


@release.command()
@_common
def gate(**common: Any) -> None:
    """Wait until all pods are new and ready and the golden requests are answered; change nothing."""
    _deployment(**common).gate()


@release.command()
@_common
@click.option("--revision", type=int, help="Where to; the last that took traffic, if not said.")
def rollback(revision: int | None, **common: Any) -> None:
    """Go back to an earlier revision, through the chart, and hold it to the gate."""
    _deployment(**common).rollback(revision)


@release.command()
@click.option("--release", "name", required=True, help="The Helm release.")
@click.option("--namespace", required=True, help="Where it is.")
def move(name: str, namespace: str) -> None:
    """Move the release's history from Secrets to ConfigMaps, where the other commands keep it.

    Run it once, with an account that may read and delete the namespace's Secrets. Nothing is installed or restarted.
    """
    revisions = move_history(name, namespace)
    echo(f"{name}: {len(revisions)} revisions are in ConfigMaps now: {', '.join(revisions)}")


def main() -> None:
    """Run the command; an error of ours becomes one message and exit code 1."""
    try:
        release()
    except ReleaseError as error:
        echo_lines(f"error: {error}", err=True)
        sys.exit(1)


def _deployment(*, release: str, namespace: str, fullname: str | None, seconds: float) -> Deployment:
    return Deployment(
        Helm(release, namespace), Cluster(namespace), fullname=fullname or release, seconds=seconds, say=echo_lines
    )
