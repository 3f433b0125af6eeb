"""What is made, in the order in which it depends on each other."""

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
# Google's own addresses that only a VPC reaches; the chart's NetworkPolicy lets pods out to these alone.
_PRIVATE: Final = "199.36.153.8,199.36.153.9,199.36.153.10,199.36.153.11"


def steps(site: Site) -> Iterator[Step]:
    """Give every step: what Google Cloud has to have before anything is deployed."""
    services = [f"{name}.googleapis.com" for name in APIS]
    yield Step("the APIs that everything below uses", _gcloud(site, "services", "enable", *services))
    yield from _network(site)
    yield from _accounts(site)
    yield from _stores(site)
    yield from _cluster(site)
    yield from _front(site)
    for grant in grants(site):  # after the cluster, which brings the pool of workload identities
        yield grant.step(site)
    if site.repository:
        yield from _triggers(site)


def bindings(site: Site) -> Iterator[Step]:
    """Give the steps inside the cluster that name the project's accounts; `kubectl apply -k` goes before."""
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
        site, "a network of the service's own", ("compute", "networks"), RELEASE, "--subnet-mode=custom"
    )  # fmt: skip
    yield _made(
        site,
        "nodes and pods, with a private way to Google's APIs",
        ("compute", "networks", "subnets"),
        RELEASE,
        f"--network={RELEASE}",
        "--range=10.8.0.0/20",
        "--secondary-range=pods=10.12.0.0/16,services=10.13.0.0/20",
        "--enable-private-ip-google-access",
        where=(region,),
    )
    yield _made(
        site, "a router for the way out", ("compute", "routers"), RELEASE, f"--network={RELEASE}", where=(region,)
    )
    yield _made(
        site,
        "nodes without public addresses pull KServe's images through it",
        ("compute", "routers", "nats"),
        RELEASE,
        "--auto-allocate-nat-external-ips",
        "--nat-all-subnet-ip-ranges",
        where=(region, f"--router={RELEASE}"),
    )
    yield _made(
        site,
        "Google's APIs have private addresses in this network",
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
            f"{name} in it",
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
        "images; deployed by digest, so tags are only names",
        ("artifacts", "repositories"),
        RELEASE,
        "--repository-format=docker",
        where=(f"--location={site.region}",),
    )
    yield _made(
        site,
        "what is in each image, by its digest",
        ("artifacts", "repositories"),
        f"{RELEASE}-sbom",
        "--repository-format=generic",
        where=(f"--location={site.region}",),
    )
    yield _bucket(site, site.registry, "bundles; versions tell what an alias was", "--versioning")
    for environment in ENVIRONMENTS:
        # No retention policy: it would forbid erasing a person. Pods can't delete anyway, and soft delete keeps a week.
        yield _bucket(
            site,
            site.record(environment),
            f"{environment}'s record: cheaper after 90 days, gone after five years, a week to undo",
            "--soft-delete-duration=7d",
            f"--lifecycle-file={_FOLDER / 'record-lifecycle.json'}",
        )
        options = f"location = '{site.location}', storage_billing_model = 'PHYSICAL', max_time_travel_hours = 48"
        schema = f"`{site.project}.{site.dataset(environment)}`"
        yield Step(
            f"{environment}'s record to query; `customer-risk audit init` makes its tables",
            sql(site, f"CREATE SCHEMA IF NOT EXISTS {schema} OPTIONS ({options})"),
        )


def _cluster(site: Site) -> Iterator[Step]:
    # Standard rather than Autopilot: Autopilot would give each pod a CPU limit equal to its request.
    yield _made(
        site,
        "the cluster: private nodes in three zones, reached through IAM alone",
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
    yield _made(site, "the address that DNS names", ("compute", "addresses"), RELEASE, where=("--global",))
    yield _made(
        site,
        "TLS 1.2 or later",
        ("compute", "ssl-policies"),
        RELEASE,
        "--profile=RESTRICTED",
        "--min-tls-version=1.2",
        where=("--global",),
    )
    yield _made(site, "the map that the Gateway names", ("certificate-manager", "maps"), RELEASE)
    for environment, host in site.hosts:
        name = f"customer-risk-{environment}"
        yield _made(
            site,
            f"{host} is ours, as a CNAME in DNS proves",
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
            f"{host}'s certificate in the map",
            ("certificate-manager", "maps", "entries"),
            name,
            f"--hostname={host}",
            f"--certificates={name}",
            where=(f"--map={RELEASE}",),
        )


def _triggers(site: Site) -> Iterator[Step]:
    build, release = (site.account(DEPLOYERS[each]) for each in ENVIRONMENTS)
    for name, kind, config, account, more in (
        (
            "customer-risk-main",
            "github",
            "cloudbuild.yaml",
            build,
            ("--branch-pattern=^main$",),
        ),
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
        why,
        _gcloud(site, *group, "create", name, *where, *settings),
        _gcloud(site, *group, "describe", name, *where),
    )


def _gcloud(site: Site, *words: str) -> Command:
    return ("gcloud", *words, f"--project={site.project}")
