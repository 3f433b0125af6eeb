"""The programs in Java and Go of docs/guide/other-languages.md compile without a warning and behave as described."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chart.extract import go
from tests.system import packages
from tests.system.examples import (
    BATCH,
    CUSTOMER,
    PAGE,
    RISK,
    ROOT,
    WRONG,
    Program,
    Refusing,
    Secured,
    block,
    check_attempts,
    lines_of,
    run,
)

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def secured(start, command, bundle, tmp_path_factory) -> Secured:
    """A server with authentication."""
    return Secured.start(start, command, bundle, tmp_path_factory.mktemp("secured"))


@pytest.fixture(scope="module")
def java(tmp_path_factory) -> Program:
    """The program in Java, compiled for the version that the page names; any warning is an error."""
    javac = packages.ensure("javac", "default-jdk-headless")
    folder = tmp_path_factory.mktemp("java")
    (folder / "RiskExample.java").write_text(block("java"), encoding="utf-8")
    run(javac, "--release", "17", "-Xlint:all,-serial", "-Werror", "-d", "classes", "RiskExample.java", cwd=folder)
    return Program((packages.ensure("java", "default-jdk-headless"), "-cp", "classes", "RiskExample"), folder)


@pytest.fixture(scope="module")
def golang(tmp_path_factory) -> Program:
    """The program in Go, in the form of gofmt, vetted and built without another module."""
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(block("go"), encoding="utf-8")
    (folder / "go.mod").write_text("module example\n\ngo 1.24\n")
    tool = go()
    gofmt = shutil.which("gofmt") or Path(tool).resolve().with_name("gofmt")
    assert run(gofmt, "-l", ".", cwd=folder) == ""
    run(tool, "vet", ".", cwd=folder)
    run(tool, "build", "-o", "example", ".", cwd=folder)
    return Program((folder / "example",), folder)


def _without_identity(document: str) -> str:
    """A response's text without the members that differ between two decisions of the same request."""
    return re.sub(r'"(decision_id|decided_at)":"[^"]+"', r'"\1":""', document)


def test_java_prints_what_plain_http_returns(java, secured) -> None:
    """With the default client, which offers HTTP/2, each body is equal to that of another client."""
    plain = [
        secured.ask("POST", path, content=json.dumps(body), headers={"content-type": "application/json"}).text
        for path, body in ((RISK, CUSTOMER), (f"{RISK}:batch", BATCH), (RISK, WRONG))
    ]
    printed = java.lines(secured.url, secured.token())
    assert [_without_identity(each) for each in printed] == [_without_identity(each) for each in plain]


def test_go_prints_what_plain_http_returns(golang, secured) -> None:
    """Segments, actions, reasons and pointers are equal to those of another client."""
    assert golang.lines(secured.url, secured.token()) == lines_of(secured)


@pytest.mark.parametrize("language", ["java", "golang"])
def test_refused_and_lost_requests_are_sent_again(language, secured, request) -> None:
    """Requests are repeated after 429, 503 and a lost connection, with the same key."""
    program, token = request.getfixturevalue(language), secured.token()
    with Refusing(secured.url) as front:
        printed = program.lines(front.url, token)
    assert [_without_identity(each) for each in printed] == [
        _without_identity(each) for each in program.lines(secured.url, token)
    ]
    check_attempts(front, token)


def test_every_example_of_the_page_is_run() -> None:
    """The page has one program for each language that a test runs, and no others."""
    languages = re.findall(r"^```(\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(languages) == ["go", "java", "python", "sh", "sh", "typescript", "yaml"]


@pytest.mark.parametrize("name", ["README.md", "docs/guide/api.md"])
def test_the_page_is_linked(name) -> None:
    """README.md and the page on the API link to the page."""
    assert "other-languages.md)" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("program", ["java", "javac", "node", "npm"])
def test_ci_ends_at_once_without_a_compiler(program, tmp_path) -> None:
    """`.ci/run` names the missing program before it installs or tests anything."""
    for name in {"go", "java", "javac", "node", "npm", "dirname"} - {program}:
        (tmp_path / name).symlink_to("/bin/true" if name != "dirname" else shutil.which("dirname"))
    done = subprocess.run(
        [shutil.which("bash"), ROOT / ".ci/run"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"ci: {program} is not in PATH")
