"""Moves a release's history from Secrets to ConfigMaps."""

from __future__ import annotations

import base64
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from k8s.release.cluster import ask, load
from k8s.release.errors import ReleaseError

_TYPE: Final = "helm.sh/release.v1"
_CONFLICT: Final = 409


def move(release: str, namespace: str) -> list[str]:
    """Move the history of a release; return the names of its revisions.

    Secrets are deleted only once every revision is in a ConfigMap, so it can be run again after a failure. Raises
    ReleaseError if there is nothing to move, or if a ConfigMap of a revision's name has other content.
    """
    try:
        load()
    except config.ConfigException as error:
        raise ReleaseError(f"No cluster is configured: {error} Set KUBECONFIG.") from error
    core = client.CoreV1Api()
    found = ask(core.list_namespaced_secret, namespace, label_selector=f"owner=helm,name={release}").items
    revisions = [each for each in found if each.type == _TYPE]
    if not revisions:
        raise ReleaseError(
            f"No Secret of {namespace} has a revision of {release}. "
            "`helm list --all-namespaces` prints the names and namespaces of releases that Secrets store."
        )
    for each in revisions:
        _copy(core, namespace, each)
    for each in revisions:
        ask(core.delete_namespaced_secret, each.metadata.name, namespace)
    return [each.metadata.name for each in revisions]


def _copy(core: client.CoreV1Api, namespace: str, secret: Any) -> None:
    """Create the ConfigMap that Helm would have created, with the same name, labels and text."""
    name, text = secret.metadata.name, base64.b64decode(secret.data["release"]).decode()
    metadata = client.V1ObjectMeta(name=name, labels=secret.metadata.labels)
    try:
        ask(core.create_namespaced_config_map, namespace, client.V1ConfigMap(metadata=metadata, data={"release": text}))
    except ReleaseError as error:
        if not isinstance(error.__cause__, ApiException) or error.__cause__.status != _CONFLICT:
            raise
        there = ask(core.read_namespaced_config_map, name, namespace)
        if (there.data or {}).get("release") != text:
            raise ReleaseError(
                f"The ConfigMap {name} of {namespace} and the Secret of the same name have different revisions. "
                "Compare them with `helm get all` under each HELM_DRIVER (configmap, secret), and delete the wrong one."
            ) from error
