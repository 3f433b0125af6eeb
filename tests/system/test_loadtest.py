"""A step of the load test, on real servers and on servers with faults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import psutil
import pytest

from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode
from loadtest.gates import load_gates
from loadtest.generator import generate, read_outcomes
from loadtest.judging import judge
from loadtest.payloads import make_payloads, save_payloads
from loadtest.plan import Stage
from loadtest.records import DECISIONS
from tests.system.asking import PATIENCE

if TYPE_CHECKING:
    from polars import DataFrame

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
STAND_IN = Path(__file__).with_name("answering.py")
RATE, BEFORE, AFTER = 10, 4, 4
# Durations on a busy machine aren't tested here.
LIMITS = msgspec.structs.replace(
    load_gates(),
    p99_ms=20_000,
    window_seconds=2,
    settled_within_seconds=2,
    generator_late_p99_ms=None,
    arrivals_share=0.9,
    asked_again_share=None,
)


@pytest.fixture(scope="module")
def payloads(tmp_path_factory) -> Path:
    """A file of requests."""
    file = tmp_path_factory.mktemp("payloads") / "payloads.jsonl"
    save_payloads(make_payloads(60, seed=7, customers=100), file)
    return file


def step(url: str, out: Path, *options: str) -> subprocess.Popen[str]:
    """Begin a short step from 10 to 100 requests a second."""
    out.mkdir()
    (out / "gates.yaml").write_bytes(msgspec.yaml.encode(LIMITS))
    command = [sys.executable, "-m", "loadtest.step", "--url", url, "--out", out, "--gates", out / "gates.yaml"]
    sizes = ["--one-x", str(RATE), "--before", str(BEFORE), "--after", str(AFTER), "--payloads", "60"]
    return subprocess.Popen(
        [*command, *sizes, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def over(running: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a step; return its exit code and its output."""
    said, _ = running.communicate(timeout=PATIENCE)
    return running.returncode, said


def test_a_step_on_a_real_server_meets_its_gates(start, command, bundle, tmp_path) -> None:
    """With a token and by two processes, all that was planned is sent; every decision received is recorded, once.

    The seconds, the picture and the verdicts are there; a record taken away is found missing.
    """
    record = {"enabled": True, "folder": str(tmp_path / "outbox"), "ship": {"embedded": False}}
    (tmp_path / "serving.yaml").write_text(json.dumps({"record": record, "server": {"most_wait_ms": 0}}))
    server = start(command, bundle, "--config", str(tmp_path / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    (tmp_path / "token").write_text("not-asked-for\n")
    out = tmp_path / "out"
    options = ("--token-file", str(tmp_path / "token"), "--host", "prod.deblock.com", "--processes", "2")
    code, said = over(step(f"http://127.0.0.1:{server.port}", out, *options))
    assert code == 0, said
    seconds = pl.read_parquet(out / "seconds.parquet")
    assert seconds["wanted"].to_list() == [RATE] * BEFORE + [10 * RATE] * AFTER
    assert abs(seconds["sent"].sum() / seconds["wanted"].sum() - 1) < 0.1
    assert (out / "timeline.png").stat().st_size > 10_000
    assert {one["held"] for one in json.loads((out / "verdicts.json").read_bytes())} == {True, None}
    answered = (out / DECISIONS).read_text().split()
    records = [decode(kept.body) for file in find_files(tmp_path / "outbox") for kept in file.read(0, 1_000_000)]
    recorded = Counter(one.record_id for one in records)
    assert recorded == recorded & Counter(dict.fromkeys(recorded, 1))
    assert len(answered) == seconds["decisions"].sum() > 0
    assert compare(out, recorded) == 0
    assert compare(out, recorded.keys() - answered[:1]) == 1


def compare(out: Path, recorded) -> int:
    """Compare a run's decisions with the recorded ones; return the exit code."""
    (out / "recorded").write_text("\n".join(recorded))
    return subprocess.run(
        [sys.executable, "-m", "loadtest.records", out, out / "recorded"], cwd=ROOT, check=False
    ).returncode


@pytest.fixture
def faulty():
    """Start stand-in servers with a fault; return the URL."""
    started = []

    def start_one(fault: str) -> str:
        process = subprocess.Popen([sys.executable, STAND_IN, fault], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def test_each_fault_of_a_server_misses_its_gate(faulty, payloads, tmp_path) -> None:
    """Refusals under load and a missing answer miss a gate.

    Requests refused with Retry-After are sent again and counted, and miss no gate. After answers about another
    customer, the command ends with 1 and prints what is wrong.
    """

    def run(fault: str) -> tuple[set[str], DataFrame]:
        plan = generate(
            tmp_path / fault,
            url=faulty(fault),
            host="",
            token_file=None,
            payloads=payloads,
            stages=(Stage(RATE, BEFORE), Stage(10 * RATE, AFTER)),
            processes=1,
            patience=15,
        )
        outcomes = read_outcomes(tmp_path / fault, plan)
        missed = {one.gate for one in judge(outcomes, plan, LIMITS, None) if one.held is False}
        return missed, outcomes.filter((pl.col("failed") != "") | (pl.col("wrong") != "") | (pl.col("again") > 0))

    command = step(faulty("customer"), tmp_path / "customer")
    faults = ("overloaded", "silent", "later")
    with ThreadPoolExecutor(len(faults)) as pool:
        overloaded, silent, later = pool.map(run, faults)
    settling = {gate for gate in overloaded[0] if gate.startswith("seconds from the step")}
    assert overloaded[0] == {"failed requests"} | settling
    assert settling
    assert overloaded[1]["status"].unique().to_list() == [503]
    assert "failed requests" in silent[0]
    assert silent[1]["failed"].len() == 1
    code, said = over(command)
    assert code == 1, said
    assert said.count("MISSED") == 1
    assert "times: the answer is about 'another'" in said
    assert later[0] == set()
    assert later[1]["again"].len() > 20
    assert later[1]["ms"].min() > 1000, "latency must count from the due time, with waits"


def test_a_generator_that_dies_ends_the_run(faulty, tmp_path) -> None:
    """A run whose generator died ends with exit code 2."""
    running = step(faulty("none"), tmp_path / "out")
    while not (tmp_path / "out" / "run" / "plan.json").exists():
        assert running.poll() is None
        time.sleep(0.01)
    for child in psutil.Process(running.pid).children():
        child.kill()
    code, said = over(running)
    assert code == 2, said
    assert "Locust's process 0 ended" in said
