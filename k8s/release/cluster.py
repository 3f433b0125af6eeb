"""Reads the state of a release from a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from k8s.release.errors import ReleaseError

MARKS: Final = "customer-risk.deblock.com/"  # annotations whose change creates new pods: bundle, config, restarted-at
PREDICTOR: Final = "serving.kserve.io/inferenceservice"
SERVER: Final = "kserve-container"
CRASHING: Final = "crashes repeatedly"
_CRASHES: Final = 3
_CHARACTERS: Final = 200  # characters of a message; a registry's message can be long
_SECONDS: Final = 20  # for one request to the API server


@dataclass(frozen=True, slots=True)
class Made:
    """Images by container, and the annotations that identify bundle, settings and specification."""

    images: tuple[tuple[str, str], ...]
    marks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the release."""

    name: str
    made: Made
    ready: bool
    leaving: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class State:
    """The release at one moment; `deployment` is None, and what follows is empty, before KServe has created it."""

    wanted: Made
    least: int
    deployment: Made | None
    observed: bool
    replicas: int
    pods: tuple[Pod, ...]
    route: str


class Cluster:
    """The cluster that KUBECONFIG names, or else that of this pod."""

    def __init__(self, namespace: str) -> None:
        try:
            load()
        except config.ConfigException as error:
            raise ReleaseError(f"No cluster is configured: {error} Set KUBECONFIG.") from error
        self.namespace = namespace
        self._apps, self._core = client.AppsV1Api(), client.CoreV1Api()
        self._scaling, self._objects = client.AutoscalingV2Api(), client.CustomObjectsApi()

    def look(self, name: str) -> State:
        """Return the state of the release; raises ReleaseError if it is missing, or the cluster doesn't answer."""
        service = self._object("serving.kserve.io", "v1beta1", "inferenceservices", name)
        if service is None:
            raise ReleaseError(f"There is no InferenceService {name} in {self.namespace}.")
        scaler = _found(self._scaling.read_namespaced_horizontal_pod_autoscaler, name, self.namespace)
        deployment = _found(self._apps.read_namespaced_deployment, f"{name}-predictor", self.namespace)
        pods = ask(self._core.list_namespaced_pod, self.namespace, label_selector=f"{PREDICTOR}={name}").items
        return State(
            wanted=_made(service["spec"]["predictor"], service["metadata"].get("annotations", {})),
            least=scaler.spec.min_replicas if scaler else 1,
            deployment=_deployed(deployment) if deployment else None,
            observed=bool(deployment) and deployment.status.observed_generation == deployment.metadata.generation,
            replicas=deployment.spec.replicas if deployment else 0,
            pods=tuple(_pod(each) for each in pods),
            route=self._route(name),
        )

    def has(self, name: str) -> bool:
        """Whether the release is installed and isn't being deleted, wherever Helm stores its history."""
        service = self._object("serving.kserve.io", "v1beta1", "inferenceservices", name)
        if service is None or "deletionTimestamp" in service["metadata"]:
            return False
        labels: Mapping[str, str] = service["metadata"].get("labels", {})
        return labels.get("app.kubernetes.io/managed-by") == "Helm"

    def _route(self, name: str) -> str:
        """Return why the gateway hasn't accepted the release's route; empty if it has, or if there is no route."""
        route = self._object("gateway.networking.k8s.io", "v1", "httproutes", name)
        if route is None:
            return ""
        parents = route.get("status", {}).get("parents", [])
        conditions = [each for parent in parents for each in parent.get("conditions", [])]
        if not conditions:
            return "no gateway has accepted the route"
        bad = [each for each in conditions if each["status"] != "True" and each["type"] in ("Accepted", "ResolvedRefs")]
        return f"the gateway refuses the route: {bad[0].get('message') or bad[0].get('reason')}" if bad else ""

    def _object(self, group: str, version: str, plural: str, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = _found(
            self._objects.get_namespaced_custom_object, group, version, self.namespace, plural, name
        )
        return found


def load() -> None:
    """Configure the client for the cluster that KUBECONFIG names, or else for this pod's. Raises ConfigException."""
    named = os.environ.get("KUBECONFIG")
    if "KUBERNETES_SERVICE_HOST" in os.environ and not named:
        config.load_incluster_config()
    else:
        config.load_kube_config(config_file=named)


def ask(call: Any, *arguments: Any, **options: Any) -> Any:
    """Return the API server's answer to a call; raises ReleaseError, whose cause is the client's error."""
    try:
        return call(*arguments, _request_timeout=_SECONDS, **options)
    except ApiException as error:
        raise ReleaseError(f"The cluster refuses the request: {error.status} {error.reason}.") from error
    except Exception as error:  # urllib3's own errors, of many kinds
        raise ReleaseError(f"The cluster can't be reached: {error}") from error


def _found(call: Any, *arguments: Any) -> Any:
    try:
        return ask(call, *arguments)
    except ReleaseError as error:
        if isinstance(error.__cause__, ApiException) and error.__cause__.status == 404:
            return None
        raise


def _made(spec: Mapping[str, Any], annotations: Mapping[str, str]) -> Made:
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    return Made(_images((each["name"], each["image"]) for each in containers), _marks(annotations))


def _deployed(deployment: Any) -> Made:
    template = deployment.spec.template
    return _made_of(template.spec, template.metadata)


def _made_of(spec: Any, metadata: Any) -> Made:
    containers = [*(spec.init_containers or []), *spec.containers]
    return Made(_images((each.name, each.image) for each in containers), _marks(metadata.annotations or {}))


def _images(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


def _marks(annotations: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in annotations.items() if key.startswith(MARKS)))


def _pod(pod: Any) -> Pod:
    conditions = {each.type: each.status for each in pod.status.conditions or []}
    return Pod(
        name=pod.metadata.name,
        made=_made_of(pod.spec, pod.metadata),
        ready=conditions.get("Ready") == "True",
        leaving=pod.metadata.deletion_timestamp is not None,
        trouble=_trouble(pod, conditions),
    )


def _trouble(pod: Any, conditions: Mapping[str, str]) -> str:
    """Return the cluster's message about why a pod can't start; empty if it can."""
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        ended = status.state.terminated or status.last_state.terminated
        if status.restart_count >= _CRASHES and ended and not status.ready:
            return f"{status.name} {CRASHING}: it ended with {ended.exit_code} ({ended.reason})"
        waiting = status.state.waiting
        if waiting and waiting.reason not in ("PodInitializing", "ContainerCreating"):
            ended = status.last_state.terminated
            code = f", it ended with {ended.exit_code}" if ended else ""
            return f"{status.name}: {waiting.reason}{code}. {(waiting.message or '')[:_CHARACTERS]}".strip()
        ended = status.state.terminated
        if ended and ended.exit_code:
            return f"{status.name} ended with {ended.exit_code} ({ended.reason})"
    if conditions.get("PodScheduled") == "False":
        return next(f"not scheduled: {each.message}" for each in pod.status.conditions if each.type == "PodScheduled")
    return ""
