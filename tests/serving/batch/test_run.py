"""Runs over Parquet in a folder."""

from __future__ import annotations

import threading

import duckdb
import msgspec
import pytest

from model.errors import ConfigError
from serving.batch.faults import UnusableInput
from serving.batch.inputs.folder import FolderInput
from serving.batch.outputs.objects import FolderOutput
from serving.batch.patience import Patience
from serving.batch.run import Interrupted, Run
from serving.batch.scoring import Scoring
from serving.batch.shipping import Shipping
from serving.logs import LogSettings
from serving.record.settings import RecordSettings

NAME, DAY = "nightly-2026-11-21", "2026-11-21"


@pytest.fixture
def score(service, tmp_path):
    """Run over `tmp_path / in` into `tmp_path / out`."""

    def run(*, recorder=None, stopping=None, least_rows=1, part_rows=10, explain=True):
        source = FolderInput(path=str(tmp_path / "in")).source(NAME, service.names())
        output = FolderOutput(path=str(tmp_path / "out")).output(NAME, DAY)
        patience = Patience(0)
        return Run(
            source,
            output,
            Scoring(service, explain=explain, caller=NAME, patience=patience, recorder=recorder),
            name=NAME,
            day=DAY,
            part_rows=part_rows,
            least_rows=least_rows,
            patience=patience,
            stopping=stopping or threading.Event(),
            shipping=Shipping(RecordSettings(), LogSettings()),
        ).run({})

    return run


@pytest.fixture
def results(tmp_path):
    """Query the results."""

    def ask(what: str) -> list[tuple]:
        with duckdb.connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            return base.execute(what.format(t=f"read_parquet('{tmp_path}/out/run={NAME}/*.parquet')")).fetchall()

    return ask


def test_every_row_has_one_result_in_order(score, results, to_parquet, customers, tmp_path) -> None:
    """In parts of two files, of which the last ones are shorter."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(25))
    to_parquet(tmp_path / "in" / "b.parquet", customers(30)[25:])
    summary = score()
    assert (summary["rows"], summary["refused"], summary["parts"]) == (30, 0, 4)
    assert sum(summary["segments"].values()) == 30
    found = results("SELECT part, row, customer_id, status FROM {t} ORDER BY part, row")
    assert [each[2] for each in found] == [f"c-{number}" for number in range(30)]
    assert [each[:2] for each in found[19:27]] == [
        ("00000-00001", 19), ("00000-00002", 20), ("00000-00002", 21), ("00000-00002", 22), ("00000-00002", 23),
        ("00000-00002", 24), ("00001-00000", 0), ("00001-00000", 1),
    ]  # fmt: skip
    assert {each[3] for each in found} == {200}


def test_a_row_has_what_the_service_answers(score, results, service, to_parquet, customers, tmp_path) -> None:
    """Times of a column's type are those of the request; nothing else is warned of."""
    (request,) = customers(1)
    to_parquet(tmp_path / "in" / "a.parquet", [request])
    score()
    answer = service.answer(msgspec.json.encode(request))
    ((probability, segment, reasons, warnings, decided),) = results(
        "SELECT probability, segment, [each.investigator_text for each in reasons], warnings, "
        "strftime(decided_at, '%Y-%m-%dT%H:%M:%S.%fZ') FROM {t}"
    )
    assert (probability, segment) == (answer.decision.probability, answer.decision.segment)
    assert reasons == [reason.investigator_text for reason in answer.decision.reasons]
    assert [each["code"] for each in warnings] == [each.code for each in answer.warnings]
    assert decided == answer.decided_at
