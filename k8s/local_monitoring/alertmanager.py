"""An Alertmanager on a port of the loopback interface, which sends every alert to one webhook at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from k8s.local_monitoring.programs import find, free_port, running


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """Run Alertmanager in an empty or new folder during the context; yield its URL.

    Each alert is a notification of its own, sent to the URL `webhook`. Raises ProgramMissing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    route = {
        "receiver": "webhook",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "100ms",
        "repeat_interval": "1h",
    }
    receiver = {"name": "webhook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    config = yaml.safe_dump({"route": route, "receivers": [receiver]}, sort_keys=False)
    (folder / "alertmanager.yaml").write_text(config, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        find("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",  # otherwise it listens on every interface
        "--log.level=warn",
    ]
    with running(command, folder / "alertmanager.log", f"{url}/-/ready"):
        yield url
