"""A bundle is loaded for serving once the service itself answers its golden requests as expected."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.model.errors import BundleAltered, GoldenMismatch
from customer_risk.model.scoring.bundle import FILES, load_bundle, write_bundle
from customer_risk.serving.decisions import service
from customer_risk.serving.decisions.verification import load_verified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def rewrite(bundle, tmp_path) -> Callable[[Callable[[list[Any]], object]], Path]:
    """Write the small real bundle with other golden rows."""

    def written(change: Callable[[list[Any]], object]) -> Path:
        rows = json.loads((bundle / "golden.json").read_bytes())
        change(rows)
        files = {name: (bundle / name).read_bytes() for name in FILES} | {"golden.json": json.dumps(rows).encode()}
        write_bundle(tmp_path / "written", load_bundle(bundle, verify_golden=False).manifest, files)
        return tmp_path / "written"

    return written


def test_a_bundle_whose_golden_requests_are_answered_as_expected_loads(bundle) -> None:
    """It is the bundle in the folder."""
    assert load_verified(bundle).version == load_bundle(bundle).version


def test_a_bundle_without_an_action_rule_loads(bundle_without_rule, request_) -> None:
    """A bundle without an action rule answers every request without patterns."""
    made = service.Service("customer-risk")
    made.use(load_verified(bundle_without_rule))
    assert made.answer(json.dumps(request_).encode()).decision.patterns is None


def test_every_golden_request_goes_through_the_request_parser(bundle, monkeypatch) -> None:
    """The service answers each golden row, in every form of a request."""
    read = []

    class Parser(service.RequestParser):
        def read(self, body: bytes, **options: Any) -> Any:
            read.append(json.loads(body))
            return super().read(body, **options)

    monkeypatch.setattr("customer_risk.serving.decisions.engine.RequestParser", Parser)
    golden = load_verified(bundle).golden
    assert read == [row["request"] for row in golden]
    forms = {type(each.get("transactions")) for each in read}
    assert forms == {list, dict, type(None)}


@pytest.mark.parametrize("place", [0, -1])
def test_a_different_answer_is_a_mismatch(rewrite, place) -> None:
    """The row is named, whatever the form of its request."""

    def change(rows: list[Any]) -> None:
        rows[place]["answer"]["probability"] += 1e-6

    with pytest.raises(GoldenMismatch, match=r"golden\.json: row \d+.*answer\.probability"):
        load_verified(rewrite(change))


def test_a_golden_request_that_the_service_refuses_is_a_mismatch(rewrite) -> None:
    """The error names the request and its bad field."""

    def change(rows: list[Any]) -> None:
        rows[1]["request"]["profile"]["is_pep"] = "no"

    with pytest.raises(GoldenMismatch, match=r"golden-1 is refused here: .*/profile/is_pep"):
        load_verified(rewrite(change))


def test_an_altered_bundle_is_refused_before_anything_is_answered(bundle, tmp_path) -> None:
    """The checks of `load_bundle` come first."""
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "trees.json").write_bytes(b"{}")
    with pytest.raises(BundleAltered, match=r"trees\.json"):
        load_verified(copy)
