"""The chart's values that only a project knows."""

from __future__ import annotations

import re
from typing import Any, Final

from k8s.gcloud.site import Site

_DIGEST: Final = re.compile(r"(?P<repository>[^@:\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def values(
    site: Site, environment: str, *, image: str, bundle: str, host: str, issuer: str, audience: str
) -> dict[str, Any]:
    """Give the values of one deployment.

    Raises ValueError where the image isn't the project's by digest, or the bundle isn't a hash: a tag or an alias may
    mean something else by the time it is deployed.
    """
    named = _DIGEST.fullmatch(image)
    if named is None or not named["repository"].startswith(f"{site.images}/"):
        raise ValueError(f"The image {image!r} isn't {site.images}/NAME@sha256:DIGEST.")
    if not _HASH.fullmatch(bundle):
        raise ValueError(f"The bundle {bundle!r} isn't a hash of 64 hexadecimal digits.")
    bucket = site.record(environment).removeprefix("gs://")
    return {
        "image": {"repository": named["repository"], "digest": named["digest"]},
        "model": {"bundle": bundle, "registry": site.registry},
        "serviceAccount": {"gcpServiceAccount": site.pod(environment)},
        "logs": {"project": site.project},
        # The issuer's keys are a ConfigMap and the test's token a Secret of the namespace, both put there by hand
        # (docs/guide/gke.md): pods have no way out to the issuer, and no secret passes the pipeline.
        "auth": {"issuer": issuer, "audience": audience, "jwksConfigMap": "issuer-keys"},
        "test": {"tokenSecret": "golden-token"},
        "route": {
            "enabled": True,
            "host": host,
            "gateway": {"name": "gateway", "namespace": "gateway-system", "sectionName": environment},
        },
        "record": {
            "sinks": [
                {"type": "gcs", "bucket": bucket},
                {"type": "bigquery", "project": site.project, "dataset": site.dataset(environment)},
            ]
        },
    }
