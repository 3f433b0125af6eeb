"""The resources of a project, each after those that it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from k8s.gcloud.grants import ROLES, grants, sql
from k8s.gcloud.site import DEPLOYERS, ENVIRONMENTS, RELEASE, Site
from k8s.gcloud.step import Command, Step

APIS: Final = (
    *("artifactregistry", "bigquery", "bigquerystorage", "certificatemanager", "cloudbuild", "compute", "container"),
    *("dns", "iam", "iamcredentials", "logging", "monitoring", "ondemandscanning", "storage"),
)
_FOLDER: Final = Path(__file__).parent
# Private addresses of Google's APIs, which the chart's NetworkPolicy allows.
_PRIVATE: Final = "199.36.153.8,199.36.153.9,199.36.153.10,199.36.153.11"


def steps(site: Site) -> Iterator[Step]:
    """Return the steps that create everything a deployment needs in Google Cloud."""
    services = [f"{name}.googleapis.com" for name in APIS]
    yield Step("the APIs that the following steps use", _gcloud(site, "services", "enable", *services))
    yield from _network(site)
    yield from _accounts(site)
    yield from _stores(site)
    yield from _cluster(site)
    yield from _front(site)
    for grant in grants(site):  # after the cluster, which creates the workload identity pool
        yield grant.step(site)
    if site.repository:
        yield from _triggers(site)


def bindings(site: Site) -> Iterator[Step]:
    """Return the steps that bind the project's accounts in the cluster; they need the objects of `kubectl apply -k`."""
    for environment, name in DEPLOYERS.items():
        where = ("rolebinding", "customer-risk-deployer", f"--namespace={site.namespace(environment)}")
        yield Step(
            f"{name} may deploy to {environment}",
            ("kubectl", "create", *where, "--clusterrole=customer-risk-deployer", f"--user={site.account(name)}"),
            ("kubectl", "get", *where),
        )


def _network(site: Site) -> Iterator[Step]:
    region = f"--region={site.region}"
    yield _made(
        site, "a network for the service", ("compute", "networks"), RELEASE, "--subnet-mode=custom"
    )  # fmt: skip
    yield _made(
        site,
        "the subnet of nodes and pods, with private access to Google's APIs",
        ("compute", "networks", "subnets"),
        RELEASE,
        f"--network={RELEASE}",
        "--range=10.8.0.0/20",
        "--secondary-range=pods=10.12.0.0/16,services=10.13.0.0/20",
        "--enable-private-ip-google-access",
        where=(region,),
    )
    yield _made(
        site,
        "a router for outgoing connections",
        ("compute", "routers"),
        RELEASE,
        f"--network={RELEASE}",
        where=(region,),
    )
    yield _made(
        site,
        "NAT, so that nodes without public addresses can pull KServe's images",
        ("compute", "routers", "nats"),
        RELEASE,
        "--auto-allocate-nat-external-ips",
        "--nat-all-subnet-ip-ranges",
        where=(region, f"--router={RELEASE}"),
    )
    yield _made(
        site,
        "a DNS zone with private addresses of Google's APIs",
        ("dns", "managed-zones"),
        "googleapis",
        "--dns-name=googleapis.com.",
        "--visibility=private",
        f"--networks={RELEASE}",
        "--description=Private Google Access",
    )
    for name, kind, data in (
        ("private.googleapis.com.", "A", _PRIVATE),
        ("*.googleapis.com.", "CNAME", "private.googleapis.com."),
    ):
        yield _made(
            site,
            f"the record {name} of this zone",
            ("dns", "record-sets"),
            name,
            f"--rrdatas={data}",
            "--ttl=300",
            where=("--zone=googleapis", f"--type={kind}"),
        )


def _accounts(site: Site) -> Iterator[Step]:
    pods = [f"customer-risk-{environment}" for environment in ENVIRONMENTS]
    for name in ("customer-risk-nodes", *pods, *DEPLOYERS.values()):
        yield Step(
            f"the account {name}",
            _gcloud(site, "iam", "service-accounts", "create", name),
            _gcloud(site, "iam", "service-accounts", "describe", site.account(name)),
        )
    for name, permissions in ROLES.items():
        yield _made(site, f"the role {name}", ("iam", "roles"), name, f"--permissions={','.join(permissions)}")


def _stores(site: Site) -> Iterator[Step]:
    yield _made(
        site,
        "the repository of images",
        ("artifacts", "repositories"),
        RELEASE,
        "--repository-format=docker",
        where=(f"--location={site.region}",),
    )
    yield _made(
        site,
        "the package list (SBOM) of each image, by the image's digest",
        ("artifacts", "repositories"),
        f"{RELEASE}-sbom",
        "--repository-format=generic",
        where=(f"--location={site.region}",),
    )
    yield _bucket(site, site.registry, "the bucket of bundles; object versions keep earlier aliases", "--versioning")
    for environment in ENVIRONMENTS:
        # No retention policy, because it would forbid erasing a person. Pods can't delete anyway.
        yield _bucket(
            site,
            site.record(environment),
            f"{environment}'s record: archived after 90 days, deleted after five years",
            "--soft-delete-duration=7d",
            f"--lifecycle-file={_FOLDER / 'record-lifecycle.json'}",
        )
        options = f"location = '{site.location}', storage_billing_model = 'PHYSICAL', max_time_travel_hours = 48"
        schema = f"`{site.project}.{site.dataset(environment)}`"
        yield Step(
            f"the dataset of {environment}'s record; `customer-risk audit init` creates its tables",
            sql(site, f"CREATE SCHEMA IF NOT EXISTS {schema} OPTIONS ({options})"),
        )


def _cluster(site: Site) -> Iterator[Step]:
    # Standard, because Autopilot sets a CPU limit equal to the request for each pod.
    yield _made(
        site,
        "the cluster: private nodes in three zones; access needs IAM",
        ("container", "clusters"),
        RELEASE,
        f"--network={RELEASE}",
        f"--subnetwork={RELEASE}",
        "--enable-ip-alias",
        "--cluster-secondary-range-name=pods",
        "--services-secondary-range-name=services",
        "--enable-private-nodes",
        "--enable-dns-access",
        "--no-enable-ip-access",
        "--enable-dataplane-v2",
        "--gateway-api=standard",
        f"--workload-pool={site.project}.svc.id.goog",
        "--workload-metadata=GKE_METADATA",
        "--enable-managed-prometheus",
        "--monitoring=SYSTEM,DEPLOYMENT,POD,HPA",
        "--logging=SYSTEM,WORKLOAD",
        "--release-channel=regular",
        "--machine-type=e2-standard-4",
        "--num-nodes=1",
        "--enable-autoscaling",
        "--min-nodes=1",
        "--max-nodes=4",
        "--enable-shielded-nodes",
        "--shielded-secure-boot",
        f"--service-account={site.account('customer-risk-nodes')}",
        where=(f"--region={site.region}",),
    )


def _front(site: Site) -> Iterator[Step]:
    yield _made(site, "the address for the DNS records", ("compute", "addresses"), RELEASE, where=("--global",))
    yield _made(
        site,
        "TLS 1.2 or later",
        ("compute", "ssl-policies"),
        RELEASE,
        "--profile=RESTRICTED",
        "--min-tls-version=1.2",
        where=("--global",),
    )
    yield _made(site, "the certificate map of the Gateway", ("certificate-manager", "maps"), RELEASE)
    for environment, host in site.hosts:
        name = f"customer-risk-{environment}"
        yield _made(
            site,
            f"the authorization for {host}, which a CNAME in DNS proves",
            ("certificate-manager", "dns-authorizations"),
            name,
            f"--domain={host}",
        )
        yield _made(
            site,
            f"{host}'s certificate, which Google renews",
            ("certificate-manager", "certificates"),
            name,
            f"--domains={host}",
            f"--dns-authorizations={name}",
        )
        yield _made(
            site,
            f"the entry of {host}'s certificate in the map",
            ("certificate-manager", "maps", "entries"),
            name,
            f"--hostname={host}",
            f"--certificates={name}",
            where=(f"--map={RELEASE}",),
        )


def _triggers(site: Site) -> Iterator[Step]:
    build, release = (site.account(DEPLOYERS[each]) for each in ENVIRONMENTS)
    for name, kind, config, account, more in (
        ("customer-risk-main", "github", "cloudbuild.yaml", build, ("--branch-pattern=^main$",)),
        ("customer-risk-bundle", "manual", "k8s/cloudbuild/bundle.yaml", build, ("--branch=main",)),
        (
            "customer-risk-production",
            "manual",
            "k8s/cloudbuild/production.yaml",
            release,
            ("--branch=main", "--require-approval"),
        ),
    ):
        yield Step(
            f"the trigger {name}",
            _gcloud(
                site,
                *("builds", "triggers", "create", kind, f"--name={name}", f"--region={site.region}"),
                *(f"--repository={site.repository}", f"--build-config={config}", *more),
                f"--service-account=projects/{site.project}/serviceAccounts/{account}",
            ),
            _gcloud(site, "builds", "triggers", "describe", name, f"--region={site.region}"),
        )


def _bucket(site: Site, bucket: str, why: str, *settings: str) -> Step:
    safe = ("--uniform-bucket-level-access", "--public-access-prevention")
    return Step(
        why,
        _gcloud(site, "storage", "buckets", "create", bucket, f"--location={site.location}", *safe),
        _gcloud(site, "storage", "buckets", "describe", bucket),
        _gcloud(site, "storage", "buckets", "update", bucket, *safe, *settings),
    )


def _made(site: Site, why: str, group: Command, name: str, *settings: str, where: Command = ()) -> Step:
    return Step(
        why, _gcloud(site, *group, "create", name, *where, *settings), _gcloud(site, *group, "describe", name, *where)
    )


def _gcloud(site: Site, *words: str) -> Command:
    return ("gcloud", *words, f"--project={site.project}")
