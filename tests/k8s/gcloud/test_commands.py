"""The command `python -m k8s.gcloud`: it prints commands by default, and refuses invalid arguments."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from k8s.gcloud.commands import main

DIGEST, BUNDLE = "sha256:" + "a" * 64, "b" * 64
IMAGE = f"europe-west1-docker.pkg.dev/some-project/customer-risk/customer-risk@{DIGEST}"


def _values(image: str, bundle: str, environment: str = "staging"):
    given = ["--host", "h.example.com", "--issuer", "https://login.example.com/", "--audience", "risk"]
    words = ["--project", "some-project", "values", environment, "--image", image, "--bundle", bundle, *given]
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("command", ["setup", "bind"])
def test_without_apply_nothing_is_run(google, command: str) -> None:
    """Without --apply, the commands are printed and not run."""
    done = CliRunner().invoke(main, ["--project", "some-project", command])
    assert done.exit_code == 0, done.output
    assert "some-project" in done.output
    assert google.asked == []


@pytest.mark.parametrize("command", ["setup", "bind"])
def test_with_apply_the_commands_are_run_and_reported(google, command: str) -> None:
    """With --apply, one line for each resource says whether it already existed."""
    first = CliRunner().invoke(main, ["--project", "some-project", command, "--apply"])
    second = CliRunner().invoke(main, ["--project", "some-project", command, "--apply"])
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert google.asked
    assert "exists   " not in first.stderr
    assert "exists   " in second.stderr


def test_a_failure_exits_with_1_and_the_message(google, monkeypatch) -> None:
    """A failed command ends with exit code 1 and Google's message instead of a traceback."""
    monkeypatch.setenv("BROKEN", "networks")
    done = CliRunner().invoke(main, ["--project", "some-project", "setup", "--apply"])
    assert done.exit_code == 1
    assert "PERMISSION_DENIED" in done.output
    assert len(google.asked) == 3  # enabling the APIs, describing the network, creating it


def test_an_invalid_member_is_refused() -> None:
    """An address without its kind, or with quotes, is refused before it is part of a command."""
    for member in ("a@b.c", "group:a@b.c' OR '", "group:"):
        done = CliRunner().invoke(main, ["--project", "some-project", "setup", "--auditors", member])
        assert done.exit_code == 2
        assert "isn't group:ADDRESS" in done.output


def test_values_are_those_of_the_environment() -> None:
    """The values of an environment have its own account, bucket, dataset and listener, and the image's digest."""
    told = yaml.safe_load(_values(IMAGE, BUNDLE).output)
    assert told["image"] == {"repository": IMAGE.partition("@")[0], "digest": DIGEST}
    assert told["model"]["bundle"] == BUNDLE
    assert told["route"]["gateway"]["sectionName"] == "staging"
    assert "production" not in yaml.safe_dump(told)


@pytest.mark.parametrize(
    "image",
    [
        "",
        IMAGE.partition("@")[0] + ":abc1234",
        f"docker.io/library/customer-risk@{DIGEST}",
        IMAGE.replace("some-project", "other-project"),
        IMAGE[:-1],
    ],
)
def test_only_the_projects_own_image_by_digest_is_deployed(image: str) -> None:
    """A tag, and an image of another registry, are refused."""
    done = _values(image, BUNDLE)
    assert done.exit_code == 1
    assert "sha256:DIGEST" in done.output


@pytest.mark.parametrize("bundle", ["", "champion", "b" * 63])
def test_only_a_whole_hash_is_deployed(bundle: str) -> None:
    """A bundle that isn't a complete hash is refused."""
    done = _values(IMAGE, bundle)
    assert done.exit_code == 1
    assert "64 hexadecimal digits" in done.output
