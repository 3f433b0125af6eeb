"""Names of a project's resources. All follow from the few values that differ between projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RELEASE: Final = "customer-risk"  # of Helm, and so of the Kubernetes service account that pods run as
ENVIRONMENTS: Final = ("staging", "production")
DEPLOYERS: Final = {"staging": "customer-risk-build", "production": "customer-risk-release"}


@dataclass(frozen=True)
class Site:
    """The values of one project.

    project      its id
    region       of the cluster, the images and the builds
    location     of the buckets and the datasets: a multi-region (EU) or a region
    hosts        the host name of each environment
    repository   Cloud Build's resource name of the connected repository; empty: no triggers are created
    groups       IAM members ("group:x@y") for "auditors", "erasers", "promoters" and "approvers"
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
        """Return the bucket of an environment's decision record."""
        return f"gs://{self.project}-customer-risk-record-{environment}"

    def dataset(self, environment: str) -> str:
        """Return the dataset of an environment's decision record."""
        return f"customer_risk_{environment}"

    def account(self, name: str) -> str:
        """Return a service account's address."""
        return f"{name}@{self.project}.iam.gserviceaccount.com"

    def pod(self, environment: str) -> str:
        """Return the address of the account that an environment's pods act as."""
        return self.account(f"customer-risk-{environment}")

    def namespace(self, environment: str) -> str:
        """Return an environment's namespace (k8s/environments makes it)."""
        return f"customer-risk-{environment}"

    def role(self, name: str) -> str:
        """Return the name of a role of the project's own."""
        return f"projects/{self.project}/roles/{name}"
