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
        click.option("--release", required=True, help="Name of the Helm release."),
        click.option("--namespace", required=True, help="Namespace of the release."),
        click.option("--fullname", help="Name of the release's objects; by default the name of the release."),
        click.option("--seconds", default=600.0, show_default=True, help="Seconds that a rollout may take."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def release() -> None:
    """Deploy a release into the cluster that KUBECONFIG names, or else the pod's own, and verify that it answers."""


@release.command()
@_common
@click.option(
    "--chart",
    default="helm/customer-risk",
    show_default=True,
    help="The chart: a folder, a package, or an oci:// address.",
)
@click.option(
    "--values",
    "-f",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Values file; can be repeated. A later one overrides.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="A value that overrides the files; can be repeated."
)
def deploy(chart: str, values: tuple[Path, ...], sets: tuple[str, ...], **common: Any) -> None:
    """Install or upgrade, or roll back on failure.

    The command waits until all pods are new and ready and answer the bundle's golden requests correctly. A first
    install gets its route only then. A failed upgrade is rolled back, and the exit code is 1.
    """
    files = [part for file in values for part in ("--values", str(file))]
    single = [part for pair in sets for part in ("--set", pair)]
    _deployment(**common).deploy(chart, (*files, *single))


@release.command()
@_common
def gate(**common: Any) -> None:
    """Wait until the release is ready.

    It is ready if all pods are new and ready and answer the bundle's golden requests correctly. Nothing is changed.
    """
    _deployment(**common).gate()


@release.command()
@_common
@click.option("--revision", type=int, help="Revision to roll back to; by default the last one that took traffic.")
def rollback(revision: int | None, **common: Any) -> None:
    """Roll back to an earlier revision; then wait as `gate` does."""
    _deployment(**common).rollback(revision)


@release.command()
@click.option("--release", "name", required=True, help="Name of the Helm release.")
@click.option("--namespace", required=True, help="Namespace of the release.")
def move(name: str, namespace: str) -> None:
    """Move the release's history to ConfigMaps.

    Earlier versions stored it in Secrets. Run this once, with an account that may read and delete the namespace's
    Secrets. Nothing is installed or restarted.
    """
    revisions = move_history(name, namespace)
    echo(f"{name}: {len(revisions)} revisions are in ConfigMaps now: {', '.join(revisions)}")


def main() -> None:
    """Run the command; a ReleaseError becomes one message and exit code 1."""
    try:
        release()
    except ReleaseError as error:
        echo_lines(f"error: {error}", err=True)
        sys.exit(1)


def _deployment(*, release: str, namespace: str, fullname: str | None, seconds: float) -> Deployment:
    return Deployment(
        Helm(release, namespace), Cluster(namespace), fullname=fullname or release, seconds=seconds, say=echo_lines
    )
