"""The action and the patterns of a customer are the same at every endpoint."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from customer_risk.model.scoring.bundle import Bundle, make_scorer
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from tests.action_rules import default_rule
from tests.serving.entrances import ENTRANCES, INFER, of_tensors, texts

if TYPE_CHECKING:
    from customer_risk.model.scoring.action_rule import ActionRule
    from customer_risk.serving.decisions.service import Service

BURST = "VELOCITY_BURST"
HIGH = Thresholds(medium=0.0, high=0.0)
MEDIUM = Thresholds(medium=0.0, high=1.0)
LOW = Thresholds(medium=1.0, high=1.0)


@pytest.fixture
def make(small_bundle: Bundle) -> Callable[..., Bundle]:
    """Make a bundle from the small real one with other thresholds and `rule`, or without a rule if it is None."""

    def made(thresholds: Thresholds = HIGH, rule: ActionRule | None = None) -> Bundle:
        rule_or_unset = msgspec.UNSET if rule is None else rule
        manifest = msgspec.structs.replace(small_bundle.manifest, thresholds=thresholds, action_rule=rule_or_unset)
        return dataclasses.replace(small_bundle, manifest=manifest, scorer=make_scorer(small_bundle.trees, manifest))

    return made


@pytest.fixture
def hectic(request_) -> dict[str, Any]:
    """A customer with ten transactions within an hour."""
    row = request_["transactions"][0] | {"completed_at": None}
    rows = [row | {"id": f"b-{place}", "created_at": f"2024-08-27T10:3{place}:00Z"} for place in range(10)]
    return request_ | {"transactions": rows}


def _features(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the features that the service makes of its transactions."""
    basis = service.answer(json.dumps(request).encode()).basis
    values = [None if math.isnan(value) else value for value in basis.values.tolist()]
    return {"customer_id": request["customer_id"], "features": dict(zip(basis.names, values, strict=True))}


def _flat(given: dict[str, Any]) -> bytes:
    """Return a Parquet file with a column for each feature."""
    columns = {name: pl.Series([value], dtype=pl.Float64) for name, value in given["features"].items()}
    written = io.BytesIO()
    pl.DataFrame({"customer_id": [given["customer_id"]], **columns}).write_parquet(written)
    return written.getvalue()


@pytest.fixture
def ask(entrances, model):
    """Return a function from an entrance and a request to the action and the patterns of the answer.

    Entrances with "features" get the features that the service computes from the request's transactions.
    """
    service = model.service

    def tensors(given: dict[str, Any]) -> Any:
        values = [given["features"][name] for name in service.names()]
        features = {"name": "features", "datatype": "FP64", "shape": [1, len(values)], "data": values}
        inputs = [texts("customer_id", [given["customer_id"]]), features]
        return entrances.post(INFER, {"inputs": inputs}, of_tensors)

    def by_grpc(given: dict[str, Any]) -> Any:
        values = np.array([given["features"][name] for name in service.names()], float)
        asked = pb.ModelInferRequest(model_name="customer-risk")
        person = asked.inputs.add(name="customer_id", datatype="BYTES", shape=[1])
        person.contents.bytes_contents.append(given["customer_id"].encode())
        asked.inputs.add(name="features", datatype="FP64", shape=[1, len(values)]).contents.fp64_contents.extend(values)
        return entrances.by_grpc([asked])[0]

    def told(entrance: str, request: dict[str, Any]) -> tuple[str, Any]:
        name, features, _ = entrance.partition(", features")
        if not features:
            (outcome,) = entrances.send(name, [request])
        else:
            given = _features(service, request)
            ways = {
                "V2": lambda: tensors(given),
                "gRPC": lambda: by_grpc(given),
                "job, Parquet": lambda: entrances.job("parquet", _flat(given))[0],
                "table": lambda: entrances.table(_flat(given))[0],
            }
            outcome = ways[name]() if name in ways else entrances.send(name, [given])[0]
        assert outcome["status"] == 200, outcome
        return outcome["answer"]["action"], outcome["answer"]["patterns"]

    return told


FEATURES = [
    f"{name}, features" for name in ("risk", "batch", "V1", "V2", "gRPC", "job, NDJSON", "job, Parquet", "table")
]


def _unseen(entrance: str) -> list[Any] | None:
    """Return the patterns of an answer without patterns: null, or [] in a table's repeated column."""
    return [] if entrance.startswith("table") else None


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_high_customer_with_a_pattern_is_proposed_everywhere(ask, model, make, hectic, entrance) -> None:
    """Every endpoint proposes off-boarding and gives the pattern with its count, amount and times."""
    model.service.use(make(rule=default_rule()))
    expected = list(msgspec.to_builtins(model.service.answer(json.dumps(hectic).encode()).decision.patterns))
    action, patterns = ask(entrance, hectic)
    assert (action, patterns) == ("propose_off_boarding", expected)
    (found,) = [each for each in patterns if each["code"] == BURST]
    assert (found["count"], found["amount"], found["share"]) == (10, 135.0, None)
    assert (found["first_at"], found["last_at"]) == ("2024-08-27T10:30:00Z", "2024-08-27T10:39:00Z")
    assert found["investigator_text"]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_high_customer_without_a_pattern_is_reviewed_everywhere(ask, model, make, request_, entrance) -> None:
    """A high customer without a pattern gets review at every endpoint."""
    model.service.use(make(rule=default_rule()))
    assert ask(entrance, request_) == ("review", [])


@pytest.mark.parametrize("entrance", FEATURES)
def test_features_have_no_patterns_at_any_entrance(ask, model, make, hectic, entrance) -> None:
    """A high customer for whom features are given gets review."""
    model.service.use(make(rule=default_rule()))
    assert ask(entrance, hectic) == ("review", _unseen(entrance))


@pytest.mark.parametrize("entrance", [*ENTRANCES, *FEATURES])
def test_a_bundle_without_a_rule_goes_by_the_segment_everywhere(ask, model, make, hectic, entrance) -> None:
    """A bundle without an action rule gives no patterns and proposes every high customer."""
    model.service.use(make(rule=None))
    assert ask(entrance, hectic) == ("propose_off_boarding", _unseen(entrance))


@pytest.mark.parametrize("entrance", [*ENTRANCES, *FEATURES])
def test_rules_find_no_patterns_at_any_entrance(ask, model, make, hectic, entrance) -> None:
    """Forced rules give no patterns and at most review."""
    model.service.use(make(rule=default_rule()))
    model.service._fallback = RuleFallback(load_rules(), "rules")
    model.service.forced = True
    action, patterns = ask(entrance, hectic)
    assert action in {"none", "review"}
    assert patterns == _unseen(entrance)


@pytest.mark.parametrize(
    ("thresholds", "minimum", "action"),
    [(LOW, 1, "none"), (MEDIUM, 1, "review"), (HIGH, 1, "propose_off_boarding"), (HIGH, 2, "review")],
)
def test_the_segment_and_the_minimum_decide_the_action(service, make, hectic, thresholds, minimum, action) -> None:
    """Patterns are given in every segment, and change the action only in the segment high."""
    service.use(make(thresholds, default_rule(minimum)))
    decision = service.answer(json.dumps(hectic).encode()).decision
    assert (decision.action, [each.code for each in decision.patterns]) == (action, [BURST])
