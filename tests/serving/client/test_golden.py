"""A bundle's golden requests, asked through the client."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from customer_risk.model.errors import BundleError, GoldenMismatch
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.cli.commands import golden
from customer_risk.serving.golden_check import check


@pytest.fixture
def other(bundle, tmp_path):
    """The bundle's files, free to be changed."""
    return shutil.copytree(bundle, tmp_path / "bundle")


def test_a_server_that_answers_as_it_should_passes(url, ask, bundle) -> None:
    """All golden requests are sent and counted."""
    assert check(ask(url), bundle) == len(load_bundle(bundle, verify_golden=False).golden)


def test_the_first_difference_ends_it(url, ask, other) -> None:
    """An answer that isn't the golden one is told by its number and both values."""
    rows = json.loads((other / "golden.json").read_bytes())
    rows[1]["answer"]["probability"] += 1e-6
    (other / "golden.json").write_text(json.dumps(rows))
    with pytest.raises(GoldenMismatch, match=r"Golden request 1 is answered differently: the probability is 0"):
        check(ask(url), other)


def test_another_bundle_that_answers_is_a_difference(url, ask, other) -> None:
    """Equal answers by another bundle aren't enough."""
    (other / "manifest.json").write_bytes((other / "manifest.json").read_bytes() + b" ")
    with pytest.raises(GoldenMismatch, match="answers, not"):
        check(ask(url), other)


@pytest.mark.parametrize(("content", "said"), [(None, "no readable bundle"), ("[]", "no golden row")])
def test_what_is_no_bundle_is_said(url, ask, other, content, said) -> None:
    """A folder without golden rows passes nobody."""
    if content is None:
        (other / "golden.json").unlink()
    else:
        (other / "golden.json").write_text(content)
    with pytest.raises(BundleError, match=said):
        check(ask(url), other)


def test_the_command_says_how_many(url, bundle) -> None:
    """And that they were answered as they should be."""
    done = CliRunner().invoke(golden, [url, "--bundle", str(bundle)])
    assert (done.exit_code, "golden requests answered as they should be" in done.output) == (0, True)


def test_the_command_ends_with_1_where_they_are_not(url, other) -> None:
    """So that a deployment that ends with it fails."""
    (other / "manifest.json").write_bytes((other / "manifest.json").read_bytes() + b" ")
    done = CliRunner().invoke(golden, [url, "--bundle", str(other)])
    assert (done.exit_code, "is answered differently" in done.output) == (1, True)
