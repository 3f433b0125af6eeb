"""The chart's values that depend on the project."""

from __future__ import annotations

import re
from typing import Any, Final

from k8s.gcloud.site import Site

_DIGEST: Final = re.compile(r"(?P<repository>[^@:\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def values(
    site: Site, environment: str, *, image: str, bundle: str, host: str, issuer: str, audience: str
) -> dict[str, Any]:
    """Return the values of one deployment.

    Raises ValueError if the image isn't an image of the project with a digest, or the bundle isn't a hash. A tag or an
    alias could change before the deployment.
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
        # The issuer's keys are a ConfigMap and the test's token is a Secret of the namespace. A person creates both
        # (docs/guide/gke.md): pods can't connect to the issuer, and the pipeline handles no secrets.
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
