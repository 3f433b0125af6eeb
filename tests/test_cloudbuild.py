"""The pipeline's files: what they name exists, what they run is pinned, and nothing in them is a key or a project."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.gcloud.resources import steps
from k8s.gcloud.site import Site

ROOT = Path(__file__).parent.parent
BUILDER = "customer-risk-builder:this-build"
RECIPE = ROOT / "k8s/cloudbuild/builder.Dockerfile"
FILES = ("cloudbuild.yaml", "k8s/cloudbuild/production.yaml", "k8s/cloudbuild/bundle.yaml")
SCRIPTS = sorted((ROOT / "scripts/cloudbuild").iterdir())
BUILT_IN = {"PROJECT_ID", "COMMIT_SHA"}
# The fields that Cloud Build's API accepts. It refuses any other field, but only when the build is submitted.
TOP = {"substitutions", "steps", "options", "timeout"}
STEP = {"id", "name", "entrypoint", "args", "waitFor", "timeout"}
OPTIONS = {"dynamicSubstitutions", "substitutionOption", "logging", "machineType", "env"}


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def _bases() -> list[str]:
    """Return the images that the steps' image is made of, without their digests; the last is its base."""
    return re.findall(r"^FROM ([^\s@]+)", RECIPE.read_text(encoding="utf-8"), re.MULTILINE)


def _before(build: dict[str, Any]) -> dict[str, set[str]]:
    """Return, for each step, all steps that end before it begins."""
    found: dict[str, set[str]] = {}
    for last, step in pairwise([{"id": "-"}, *build["steps"]]):
        after = set(step.get("waitFor", [last["id"]])) - {"-"}
        found[step["id"]] = after.union(*(found[each] for each in after))
    return found


def _code(path: Path) -> str:
    return "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


@pytest.fixture(params=FILES)
def build(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the pipeline's files."""
    return _read(request.param)


def test_every_script_that_a_step_runs_exists(build) -> None:
    """Every step after the first runs a script of scripts/cloudbuild or a target of the Makefile, never shell lines."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in build["steps"][1:]:
        if step["entrypoint"] == "make":
            assert set(step["args"]) <= targets, step["id"]
        else:
            assert step["entrypoint"] == "bash", step["id"]
            script = ROOT / step["args"][0]
            assert script in SCRIPTS, step["id"]
            assert os.access(script, os.X_OK), step["id"]


def test_every_script_is_run_by_a_step() -> None:
    """No script belongs to a step that was removed."""
    run = {ROOT / step["args"][0] for name in FILES for step in _read(name)["steps"] if step["entrypoint"] == "bash"}
    assert run == set(SCRIPTS)


def test_every_substitution_is_declared_and_used(build) -> None:
    """Cloud Build refuses a build with a substitution that isn't declared or isn't used."""
    declared = build["substitutions"]
    used = set(re.findall(r"\$\{?(\w+)", yaml.safe_dump({**build, "substitutions": list(declared.values())})))
    assert used - BUILT_IN == set(declared)


def test_every_variable_of_a_script_is_set(build) -> None:
    """The file sets exactly the environment variables that the scripts read."""
    given = {each.partition("=")[0] for each in build["options"]["env"]}
    wanted = set()
    for step in build["steps"]:
        if step["entrypoint"] == "bash":
            code = _code(ROOT / step["args"][0])
            wanted |= set(re.findall(r"\$\{?([A-Z_]+)\b", code)) - set(re.findall(r"^([A-Z_]+)=", code, re.MULTILINE))
    assert wanted - {"PWD", "PATH"} == given


def test_cloud_build_knows_every_field(build) -> None:
    """A misspelt field fails this test; Cloud Build would refuse it only at the next merge."""
    assert set(build) <= TOP
    assert set(build["options"]) <= OPTIONS
    for step in build["steps"]:
        assert set(step) <= STEP, step["id"]


def test_every_step_waits_for_steps_before_it(build) -> None:
    """Steps have unique names, and wait only for steps that are earlier in the file."""
    names = [step["id"] for step in build["steps"]]
    assert len(set(names)) == len(names)
    for index, step in enumerate(build["steps"]):
        assert set(step.get("waitFor", [])) - {"-"} <= set(names[:index]), step["id"]


def test_every_step_runs_in_the_image_that_the_first_one_makes(build) -> None:
    """An environment works only in the image whose Python made it, so all steps after the first share one image."""
    builder, *others = build["steps"]
    assert {step["name"] for step in others} == {BUILDER}
    assert builder["entrypoint"] == "docker"
    made_of = ["--file", str(RECIPE.relative_to(ROOT)), str(RECIPE.parent.relative_to(ROOT))]
    assert builder["args"] == ["build", "--tag", BUILDER, *made_of]
    before = _before(build)
    assert all("builder" in before[step["id"]] for step in others)


def test_every_image_of_the_pipeline_has_a_version(build) -> None:
    """Every image that a build names has a version in its tag, with or without a digest."""
    for image in (build["steps"][0]["name"], *_bases()):
        assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)?(@sha256:[0-9a-f]{64})?$", image), image


def test_the_steps_image_has_the_python_and_the_debian_of_the_service() -> None:
    """Tests run with the service's minor version of Python on the service's release of Debian."""
    service = re.search(
        r"^ARG BASE=python:([\d.]+)-slim-(\w+)(?:@\S+)?$", (ROOT / "serving/Dockerfile").read_text(), re.MULTILINE
    )
    steps_ = re.fullmatch(r"python:(\d+\.\d+)\.\d+-(\w+)", _bases()[-1])
    assert service is not None
    assert steps_ is not None
    assert steps_.groups() == service.groups()


def test_googles_programs_are_of_one_version() -> None:
    """Two variants of Google's image, of the same version, provide gcloud and its plugin."""
    tags = [each.partition(":")[2].removesuffix("-stable") for each in _bases() if "google-cloud-cli" in each]
    assert len(tags) == 2
    assert len(set(tags)) == 1


def test_the_steps_image_runs_each_program_once_while_it_is_made() -> None:
    """A program that is missing or at another path fails the first step, not the one that deploys."""
    last = RECIPE.read_text(encoding="utf-8").rpartition("\nRUN ")[2]
    programs = ("python3.13", "make", "git", "go", "java", "javac", "node", "npm", "docker", "gcloud", "bq", "kubectl")
    for program in (*programs, "gke-gcloud-auth-plugin"):
        assert re.search(rf"(?:^|&& ){re.escape(program)} (--version|version)", last), program


def test_the_system_tests_find_the_helm_that_deploys() -> None:
    """`tools` builds Helm where the system tests look for it, and ends before they begin."""
    (tested,) = (step for step in _read("cloudbuild.yaml")["steps"] if step["id"] == "test-system")
    assert "tools" in tested["waitFor"]


def test_every_step_and_the_whole_have_a_limit(build) -> None:
    """Each step has a time limit, and the build's limit exceeds that of its longest sequence of steps."""
    ends: dict[str, int] = {}
    for before, step in pairwise([{"id": "-"}, *build["steps"]]):
        after = step.get("waitFor", [before["id"]])
        ends[step["id"]] = _seconds(step["timeout"]) + max(ends.get(each, 0) for each in after)
    assert max(_seconds(step["timeout"]) for step in build["steps"]) < max(ends.values()) <= _seconds(build["timeout"])


def test_logs_go_only_to_cloud_logging(build) -> None:
    """A build with its own service account must name a destination of logs; a bucket would need protection too."""
    assert build["options"]["logging"] == "CLOUD_LOGGING_ONLY"


@pytest.mark.parametrize("path", [*(ROOT / name for name in FILES), *SCRIPTS], ids=lambda path: path.name)
def test_no_file_has_a_key(path: Path) -> None:
    """The build has the identity of its trigger: no secret, no key file, no other account."""
    said = path.read_text(encoding="utf-8")
    words = ("secret", "password", "activate-service-account", "application_credentials", "impersonate", "keys create")
    for word in words:
        assert word not in said.lower(), word


@pytest.mark.parametrize("path", [*(ROOT / name for name in FILES), *SCRIPTS], ids=lambda path: path.name)
def test_no_project_is_named(path: Path) -> None:
    """Names of buckets, repositories and accounts use the project that the build runs in."""
    said = path.read_text(encoding="utf-8")
    assert re.findall(r"gs://(?!\$|\.|\*)\S+|projects/(?!\$)\w+|docker\.pkg\.dev/(?!\$)\w+|\w+@\w+\.iam\.", said) == []


def test_staging_is_deployed_after_every_test() -> None:
    """The image is built after every test, pushed after the scan, proposed for production after staging answered."""
    build = _read("cloudbuild.yaml")
    before = _before(build)
    assert before["image"] >= {"check", "test", "test-system"}
    assert before["push"] >= {"image", "scan"}
    assert before["staging"] >= {"push", "bundle", "tools"}
    assert before["propose"] >= {"staging"}


def test_production_builds_no_image_of_the_service_and_no_bundle() -> None:
    """The build deploys the given image and bundle, and has no step that makes another one."""
    ran = [step["args"][0] for step in _read("k8s/cloudbuild/production.yaml")["steps"]]
    assert [Path(each).name for each in ran] == ["build", "tools", "environment", "deploy"]


def test_every_file_has_its_trigger_and_production_waits_for_an_approver() -> None:
    """There are three triggers; only production's needs approval, and it runs as an account of its own."""
    site = Site(project="some-project", repository="projects/p/locations/l/connections/c/repositories/r")
    made = [step.make for step in steps(site) if step.make[:4] == ("gcloud", "builds", "triggers", "create")]
    options = [dict(word.partition("=")[::2] for word in command if word.startswith("--")) for command in made]
    assert {each["--build-config"] for each in options} == set(FILES)
    (production,) = (each for each in options if "--require-approval" in each)
    assert production["--build-config"] == "k8s/cloudbuild/production.yaml"
    assert [each["--service-account"] for each in options].count(production["--service-account"]) == 1
