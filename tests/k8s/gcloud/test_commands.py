"""The command: it prints unless told otherwise, and refuses what can't be meant."""

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
    """The commands are printed for a person to read, and none is asked."""
    done = CliRunner().invoke(main, ["--project", "some-project", command])
    assert done.exit_code == 0, done.output
    assert "some-project" in done.output
    assert google.asked == []


@pytest.mark.parametrize("command", ["setup", "bind"])
def test_with_apply_it_is_run_and_told(google, command: str) -> None:
    """A line for each thing, and whether it was there."""
    first = CliRunner().invoke(main, ["--project", "some-project", command, "--apply"])
    second = CliRunner().invoke(main, ["--project", "some-project", command, "--apply"])
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert google.asked
    assert "there    " not in first.stderr
    assert "there    " in second.stderr


def test_a_failure_ends_with_one_and_the_words(google, monkeypatch) -> None:
    """No traceback: the command that failed and what it said."""
    monkeypatch.setenv("BROKEN", "networks")
    done = CliRunner().invoke(main, ["--project", "some-project", "setup", "--apply"])
    assert done.exit_code == 1
    assert "PERMISSION_DENIED" in done.output
    assert len(google.asked) == 3  # the APIs, looking for the network, making it


def test_a_member_that_iam_wouldnt_know_is_refused() -> None:
    """A bare address, or one that would end a statement's quotes, never reaches a command."""
    for member in ("a@b.c", "group:a@b.c' OR '", "group:"):
        done = CliRunner().invoke(main, ["--project", "some-project", "setup", "--auditors", member])
        assert done.exit_code == 2
        assert "isn't group:ADDRESS" in done.output


def test_an_environments_values_are_its_own() -> None:
    """Its account, bucket, dataset and listener; the image by its digest."""
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
    """A tag may be moved between staging and production; another registry's image went through no scan."""
    done = _values(image, BUNDLE)
    assert done.exit_code == 1
    assert "sha256:DIGEST" in done.output


@pytest.mark.parametrize("bundle", ["", "champion", "b" * 63])
def test_only_a_whole_hash_is_deployed(bundle: str) -> None:
    """An alias may point elsewhere by the time production is approved."""
    done = _values(IMAGE, bundle)
    assert done.exit_code == 1
    assert "64 hexadecimal digits" in done.output
