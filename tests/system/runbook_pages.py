"""The commands of a runbook's page, run against a server that has the fault which the page is about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.system.asking import PATIENCE
from tests.system.packages import ensure
from tests.system.standin import free_port

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
LABELS = {"namespace": "local", "pod": "customer-risk-predictor-0"}  # as a scraper in a cluster sets them
_BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_EXEC = re.compile(r'kubectl -n "\$NS" exec "\$POD" -c \S+ -- ')
_LOGS = re.compile(r'kubectl -n "\$NS" logs "\$POD" -c (\S+) --tail=-1')


@dataclass(frozen=True)
class Command:
    """A block of shell commands in a section of a page; `expected` is the output, with `...` where it varies.

    A block that is marked with `cluster` needs kubectl and a cluster.
    """

    section: str
    text: str
    expected: str | None
    cluster: bool


def commands(page: str) -> list[Command]:
    """Return the blocks of shell commands of a page of docs/runbooks, in order."""
    text = (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8")
    return [
        Command(section.partition("\n")[0], body, expected or None, mark == "cluster")
        for section in re.split(r"^## ", text, flags=re.MULTILINE)
        for language, mark, body, expected in _BLOCK.findall(section)
        if language == "sh"
    ]


def cluster_commands() -> list[tuple[str, Command]]:
    """Return the blocks that need kubectl and a cluster, of all pages and playbooks, each with its page."""
    pages = sorted(str(each.relative_to(RUNBOOKS).with_suffix("")) for each in RUNBOOKS.rglob("*.md"))
    return [(page, each) for page in pages for each in commands(page) if each.cluster]


def matches(expected: str, output: str) -> bool:
    """Whether each expected line matches a line of the output, in order; `...` matches any text."""
    lines = iter(output.splitlines())
    return all(
        any(re.fullmatch(re.escape(line).replace(r"\.\.\.", ".*"), each) for each in lines)
        for line in expected.splitlines()
    )


@dataclass
class Site:
    """A release on this machine: variables of the pages, settings file, outbox, logs by container, the server's pid."""

    variables: Mapping[str, str]
    config: Path = Path("/nonexistent")
    outbox: Path = Path("/nonexistent")
    logs: Mapping[str, Path] = field(default_factory=dict)
    pid: int = 0

    def shell(self, text: str) -> str:
        """Run shell commands; return what they print. Raises AssertionError if they fail."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=os.environ | {"PATH": path} | self.variables,
            cwd=self.config.parent if self.config.exists() else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, command: Command) -> str:
        """Run a block. What kubectl would run in a pod runs here, on this release's files and logs."""
        text = command.text
        if command.cluster:
            text = _EXEC.sub("", text)
            text = _LOGS.sub(lambda found: f"cat {self.logs[found[1]]}", text)
            text = text.replace("/etc/customer-risk/serving.yaml", str(self.config))
            text = text.replace("/var/lib/customer-risk/outbox", str(self.outbox))
            text = text.replace("/proc/1/task/1/", f"/proc/{self.pid}/task/{self.pid}/")
            assert "kubectl" not in text, f"only a cluster can run this command:\n{text}"
        return self.shell(text)

    def check(self, page: str, section: str | None = None) -> None:
        """Run the commands of a page that have an expected output, and wait until each output is as expected."""
        shown = [each for each in commands(page) if each.expected is not None and section in {None, each.section}]
        assert shown, f"{page} has no command with an expected output"
        if section is None and "/" not in page:
            assert [each.section for each in shown[:3]] == ["First commands"] * 3, page
        for each in shown:
            self.wait(page, each)

    def wait(self, page: str, command: Command, expected: str | None = None) -> str:
        """Run a command until its output is `expected`, by default what the page expects; return the output."""
        wanted = command.expected or "" if expected is None else expected
        deadline = time.monotonic() + PATIENCE
        while True:
            output = self.run(command)
            if matches(wanted, output) if wanted else not output.strip():
                return output
            assert time.monotonic() < deadline, f"{page}: {command.text}printed\n{output}instead of\n{wanted}"
            time.sleep(0.3)

    def over(self, page: str, *numbers: int, expected: str = "") -> None:
        """Wait until the first commands with these numbers, from 1, print `expected`: by default, nothing."""
        first = [each for each in commands(page) if each.section == "First commands"]
        for number in numbers:
            self.wait(page, first[number - 1], expected)

    def ask(self, query: str) -> str:
        """Return the answer to a query in PromQL."""
        return self.shell(f'promtool query instant "$PROMETHEUS" "{query}"')

    def until(self, query: str) -> None:
        """Wait until a query in PromQL has an answer."""
        deadline = time.monotonic() + PATIENCE
        while not self.ask(query).strip():
            assert time.monotonic() < deadline, query
            time.sleep(0.3)


def variables(url: str, prometheus: str) -> dict[str, str]:
    """Return the variables of the pages."""
    return {
        "URL": url,
        "PROMETHEUS": prometheus,
        "NS": LABELS["namespace"],
        "POD": LABELS["pod"],
        "RELEASE": "customer-risk",
        "TOKEN": "none",
    }


@contextmanager
def released(
    start: Callable[..., Any],
    bundle: Path,
    folder: Path,
    *options: str,
    ready: str = "/v2/health/ready",
    token: str | None = None,
    **settings: object,
) -> Iterator[Site]:
    """Run a server with settings and a Prometheus that scrapes it, in a folder; yield the release.

    `start` is the fixture; `ready` is the path that answers 200 before the context begins.
    """
    config = folder / "serving.yaml"
    config.write_text(json.dumps({"run_folder": str(folder / "run")} | settings))
    server = start(Path(sys.executable).with_name("customer-risk"), bundle, "--config", str(config), *options)
    server.wait_for(ready)
    address = f"127.0.0.1:{server.port}"
    with prometheus(folder / "prometheus", [address]) as url:
        here = variables(f"http://{address}", url) | ({"TOKEN": token} if token else {})
        site = Site(here, config, folder / "outbox", {"kserve-container": server.log}, server.process.pid)
        site.until("customer_risk_ready")
        yield site
    server.process.kill()


@contextmanager
def prometheus(folder: Path, targets: Sequence[str]) -> Iterator[str]:
    """Run a Prometheus that scrapes `targets` each second, and yield its URL."""
    folder.mkdir(parents=True)
    scraped = {
        "job_name": "customer-risk",
        "honor_labels": True,
        "static_configs": [{"targets": list(targets), "labels": LABELS}],
    }
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}))
    address = f"127.0.0.1:{free_port()}"
    command = [ensure("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not _ready(address):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def _ready(address: str) -> bool:
    try:
        return httpx2.get(f"http://{address}/-/ready").status_code == 200
    except httpx2.TransportError:
        return False
