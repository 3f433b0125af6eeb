"""Names: all that is made for one project follows from the few things that differ from site to site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RELEASE: Final = "customer-risk"  # of Helm, and so of the Kubernetes service account that pods run as
ENVIRONMENTS: Final = ("staging", "production")
DEPLOYERS: Final = {"staging": "customer-risk-build", "production": "customer-risk-release"}


@dataclass(frozen=True)
class Site:
    """One project.

    project      its id
    region       of the cluster, the images and the builds
    location     of the record, the registry and the datasets: a multi-region (EU) or a region
    hosts        the name that each environment answers at
    repository   Cloud Build's resource name of the connected repository; empty: no triggers are made
    groups       who, as IAM writes members ("group:x@y"), for "auditors", "erasers", "promoters", "approvers"
    """

    project: str
    region: str = "europe-west1"
    location: str = "EU"
    hosts: tuple[tuple[str, str], ...] = (("staging", "staging.deblock.com"), ("production", "prod.deblock.com"))
    repository: str = ""
    groups: tuple[tuple[str, str], ...] = ()

    @property
    def images(self) -> str:
        """Artifact Registry's path, without the image's name."""
        return f"{self.region}-docker.pkg.dev/{self.project}/customer-risk"

    @property
    def registry(self) -> str:
        """The bucket of bundles."""
        return f"gs://{self.project}-customer-risk-registry"

    def record(self, environment: str) -> str:
        """Give the bucket of an environment's decision record."""
        return f"gs://{self.project}-customer-risk-record-{environment}"

    def dataset(self, environment: str) -> str:
        """Give the dataset of an environment's decision record."""
        return f"customer_risk_{environment}"

    def account(self, name: str) -> str:
        """Give a service account's address."""
        return f"{name}@{self.project}.iam.gserviceaccount.com"

    def pod(self, environment: str) -> str:
        """Give the address of the account that an environment's pods act as."""
        return self.account(f"customer-risk-{environment}")

    def namespace(self, environment: str) -> str:
        """Give an environment's namespace (k8s/environments makes it)."""
        return f"customer-risk-{environment}"

    def role(self, name: str) -> str:
        """Give the name of a role of the project's own."""
        return f"projects/{self.project}/roles/{name}"
