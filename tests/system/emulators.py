"""A server that stands in for BigQuery."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2

from tests.system.asking import PATIENCE
from tests.system.standin import StandIn, free_port

PROGRAM = Path(__file__).with_name("bqemulator_whole.py")
PROJECT = "risk"


class BigQuery(StandIn):
    """An emulator on its own ports. Its tables outlive its process; its write streams don't."""

    name = "bqemulator"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._rest, self._grpc = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self._rest}"
        self.grpc_endpoint = f"http://127.0.0.1:{self._grpc}"

    def _command(self) -> list[object]:
        (self._folder / "data").mkdir(exist_ok=True)
        return [
            *(self._environment / "bin/python", PROGRAM, "start", "--persistent", "--data-dir", self._folder / "data"),
            *("--rest-port", str(self._rest), "--grpc-port", str(self._grpc), "--project", PROJECT),
            *("--log-level", "error"),
        ]

    def _ask(self) -> None:
        httpx2.get(f"{self.endpoint}/bigquery/v2/projects/{PROJECT}/datasets", timeout=PATIENCE).raise_for_status()
        socket.create_connection(("127.0.0.1", self._grpc), timeout=PATIENCE).close()
