"""Clients generated from docs/openapi.json have the right types, keep every member, and are answered."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from customer_risk.serving.openapi import examples
from tests.system import packages
from tests.system.asking import PATIENCE
from tests.system.examples import (
    BATCH,
    BURST,
    CUSTOMER,
    DOCUMENT,
    RISK,
    ROOT,
    WRONG,
    Program,
    Refusing,
    Secured,
    block,
    blocks,
    check_attempts,
    lines_of,
    run,
)
from tests.system.standin import install

pytestmark = pytest.mark.system

HERE = Path(__file__).parent / "clients"
JSON_LINES = {"content-type": "application/x-ndjson"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@pytest.fixture(scope="module")
def secured(start, command, bundle, tmp_path_factory) -> Secured:
    """A server with authentication."""
    return Secured.start(start, command, bundle, tmp_path_factory.mktemp("secured"))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Program:
    """The page's program, beside the client that the page's command generates."""
    environment, folder = install("clients"), tmp_path_factory.mktemp("python")
    (folder / "docs").symlink_to(DOCUMENT.parent)
    (folder / "generator.yaml").write_text(block("yaml"), encoding="utf-8")
    (folder / "example.py").write_text(block("python"), encoding="utf-8")
    shutil.copy(HERE / "round_trip.py", folder)
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    run("sh", "-ec", blocks("sh")[0], cwd=folder, env=os.environ | {"PATH": path})
    return Program((environment / "bin/python", "example.py"), folder)


@pytest.fixture(scope="module")
def typescript() -> Program:
    """The page's program, beside the types that the page's command generates; its packages are kept in build/."""
    node, npm = packages.ensure("node", "nodejs"), packages.ensure("npm")
    folder = ROOT / "build" / "clients" / "typescript"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "typescript/package-lock.json").read_bytes()
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_bytes() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "typescript" / name, folder)
        run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
        stamp.write_bytes(wanted)
    (folder / "docs").unlink(missing_ok=True)
    (folder / "docs").symlink_to(DOCUMENT.parent)
    (folder / "example.ts").write_text(block("typescript"), encoding="utf-8")
    install_, types, compile_, start = blocks("sh")[1].splitlines()
    assert (install_.split()[:2], start) == (["npm", "install"], "node example.js")  # the lock's packages are there
    run("sh", "-ec", f"{types}\n{compile_}", cwd=folder)
    return Program((node, "example.js"), folder)


@pytest.fixture(scope="module")
def documents(secured) -> dict[str, list[Any]]:
    """Return valid requests, and their responses over plain HTTP, by the name of the schema."""
    ask = secured.ask
    score_only = {"authorization": f"Bearer {secured.issuer.token('tester', 'score')}"}
    answers = [ask("POST", RISK, json=each).json() for each in (BURST, *examples.REQUESTS.values())]
    assert [bool(each["patterns"]) for each in answers] == [True, False, False, False]
    assert answers[-1]["patterns"] is None
    problems = [ask("POST", RISK, json=WRONG), ask("POST", RISK, json=CUSTOMER, headers={"authorization": ""})]
    job = ask("POST", f"{RISK}/jobs", content=json.dumps(CUSTOMER).encode(), headers=JSON_LINES).json()
    one, deadline = f"{RISK}/jobs/{job['job_id']}", time.monotonic() + PATIENCE
    while (done := ask("GET", one).json())["state"] != "done":
        assert time.monotonic() < deadline, done
        time.sleep(0.1)
    return {
        "RiskRequest": [CUSTOMER, WRONG, *examples.REQUESTS.values()],
        "WireAnswer": [*answers, ask("POST", RISK, json=BURST, headers=score_only).json()],
        "BatchRequest": [BATCH],
        "BatchAnswer": [ask("POST", f"{RISK}:batch", json=BATCH).json()],
        "BatchItem": [json.loads(line) for line in ask("GET", f"{one}/results").text.splitlines()],
        "Problem": [each.json() for each in problems],
        "JobView": [job, done],
        "JobList": [ask("GET", f"{RISK}/jobs").json()],
        "State": [ask("GET", "/ai/v1/admin/state").json()],
        "PredictResponse": [ask("POST", "/v1/models/customer-risk:predict", json={"instances": [CUSTOMER]}).json()],
        "InferenceResponse": [ask("POST", "/v2/models/customer-risk/infer", json=examples.INFERENCE).json()],
    }


def _with_times(value: Any) -> Any:
    """Return the value with times instead of texts: a class may write the same time differently."""
    if isinstance(value, dict):
        return {name: _with_times(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_times(each) for each in value]
    return dt.datetime.fromisoformat(value) if isinstance(value, str) and _TIME.fullmatch(value) else value


def test_python_passes_strict_types(python) -> None:
    """The program and the generated package have no errors in strict mypy."""
    run(python.command[0], "-m", "mypy", "--strict", "--no-incremental", "example.py", cwd=python.folder)


def test_python_keeps_every_member(python, documents) -> None:
    """The generated classes know all members and write what they read."""
    said = run(python.command[0], "round_trip.py", cwd=python.folder, input=json.dumps(documents))
    kept = json.loads(said)
    assert kept["unknown"] == []
    assert _with_times(kept["written"]) == _with_times(documents)


def test_typescript_has_every_member(typescript, documents) -> None:
    """Each document, as a literal, has the type of its schema, without missing or unknown members."""
    lines = ['import type { components } from "./schema.js";', 'type Schemas = components["schemas"];']
    for name, values in documents.items():
        lines += [
            f'export const {name}{place}: Schemas["{name}"] = {json.dumps(value)};'
            for place, value in enumerate(values)
        ]
    (typescript.folder / "literals.ts").write_text("\n".join(lines), encoding="utf-8")
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--module", "nodenext", "--target", "es2022"]
    run(typescript.folder / "node_modules/.bin/tsc", *strict, "literals.ts", cwd=typescript.folder)


@pytest.mark.parametrize(("language", "more"), [("python", ["200 done"]), ("typescript", [])])
def test_a_generated_client_prints_what_plain_http_returns(language, more, secured, request) -> None:
    """A decision, a batch with a refused request, a 422 as a problem, and in Python a job to its results."""
    program = request.getfixturevalue(language)
    assert program.lines(secured.url, secured.token()) == [*lines_of(secured), *more]


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_refused_and_lost_requests_are_sent_again(language, secured, request) -> None:
    """Requests are repeated after 429, 503 and a lost connection, with the same key."""
    program, token = request.getfixturevalue(language), secured.token()
    with Refusing(secured.url) as front:
        printed = program.lines(front.url, token)
    assert printed[: len(lines_of(secured))] == lines_of(secured)
    check_attempts(front, token)


def test_the_lock_of_npm_names_no_address() -> None:
    """Each package has one version and a hash, and no address of a registry."""
    lock = json.loads((HERE / "typescript/package-lock.json").read_text())
    found = {name: each for name, each in lock["packages"].items() if name}
    assert found
    assert all(each["version"] and each["integrity"].startswith("sha512-") for each in found.values())
    assert not [name for name, each in found.items() if "resolved" in each]
