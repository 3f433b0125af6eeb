"""A Prometheus on a port of the loopback interface, with the labels of a scrape in a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from k8s.local_monitoring.programs import find, free_port, running


class Target(NamedTuple):
    """An address that is scraped at /metrics, and the labels that a cluster would add."""

    address: str
    namespace: str = "local"
    pod: str = "customer-risk-predictor-0"


@contextmanager
def prometheus(
    folder: Path,
    targets: Sequence[str | Target],
    rules: Mapping[str, Any] | None = None,
    alertmanager: str | None = None,
    interval: str = "1s",
) -> Iterator[str]:
    """Run Prometheus in an empty or new folder during the context; yield its URL.

    `rules` is a rule file's content, `alertmanager` the URL of an Alertmanager, `interval` the time between scrapes.
    An address without labels gets those of the pod `customer-risk-predictor-0` in the namespace `local`.
    Raises ProgramMissing, or ProgramEnded if Prometheus refuses the rules.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labelled = [each if isinstance(each, Target) else Target(each) for each in targets]
    scraped = [
        {"targets": [each.address], "labels": {"namespace": each.namespace, "pod": each.pod}} for each in labelled
    ]
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [{"job_name": "customer-risk", "static_configs": scraped}],
    }
    if rules is not None:
        (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules), sort_keys=False), encoding="utf-8")
        config["rule_files"] = [str(folder.absolute() / "rules.yaml")]
    if alertmanager is not None:
        address = alertmanager.removeprefix("http://")
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        find("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--log.level=warn",
    ]
    with running(command, folder / "prometheus.log", f"{url}/-/ready"):
        yield url
