"""Runs over Parquet in a folder."""

from __future__ import annotations

import threading
import time

import duckdb
import msgspec
import pytest

from customer_risk.serving.bulk.tables.errors import ResultsAltered, UnusableInput
from customer_risk.serving.bulk.tables.inputs.factory import open_source
from customer_risk.serving.bulk.tables.inputs.settings import FolderInput
from customer_risk.serving.bulk.tables.outputs.factory import open_output
from customer_risk.serving.bulk.tables.outputs.settings import FolderOutput
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.run import Interrupted, Run
from customer_risk.serving.bulk.tables.scoring import RecordsLost, Scoring
from customer_risk.serving.bulk.tables.shipper_process import Shipping
from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.telemetry.logs import LogSettings

NAME, DAY = "nightly-2026-11-21", "2026-11-21"


@pytest.fixture
def score(service, tmp_path):
    """Run over `tmp_path / in` into `tmp_path / out`."""

    def run(*, recorder=None, stopping=None, least_rows=1, part_rows=10, explain=True, patience=0, delay=0):
        source = open_source(FolderInput(path=str(tmp_path / "in")), NAME, service.names())
        output = open_output(FolderOutput(path=str(tmp_path / "out")), NAME, DAY)
        if delay:
            store = output.store
            output.store = lambda *part: (time.sleep(delay), store(*part))
        had = Patience(patience)
        exchange = Exchange(service, record=None if recorder is None else lambda: recorder)
        exchange.open()
        return Run(
            source,
            output,
            Scoring(exchange, explain=explain, caller=NAME, patience=had),
            name=NAME,
            day=DAY,
            part_rows=part_rows,
            least_rows=least_rows,
            patience=had,
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
    """Each row of two files has one result, in parts, of which the last ones are shorter."""
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


def test_a_row_equals_the_answer_of_the_service(score, results, service, to_parquet, customers, tmp_path) -> None:
    """A result equals the answer of the service, without further warnings."""
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


def test_a_refused_row_has_its_problem_in_the_results(score, results, to_parquet, customers, tmp_path) -> None:
    """A refused row is in the results with its problem and is counted; the others are scored."""
    documents = customers(3)
    documents[1]["transactions"] = [documents[1]["transactions"][0] | {"amount": -1.0}]
    documents[2]["customer_id"] = None
    to_parquet(tmp_path / "in" / "a.parquet", documents)
    summary = score()
    assert (summary["rows"], summary["refused"], sum(summary["segments"].values())) == (3, 2, 1)
    found = results("SELECT customer_id, status, problem, errors, segment FROM {t} WHERE status != 200 ORDER BY row")
    assert [(name, status, problem, segment) for name, status, problem, _, segment in found] == [
        ("c-1", 422, "bad-fields", None),
        (None, 422, "bad-fields", None),
    ]
    assert [[each["pointer"] for each in errors] for _, _, _, errors, _ in found] == [
        ["/transactions/0/amount"],
        ["/customer_id"],
    ]


def test_results_may_be_without_explanations(score, results, to_parquet, customers, tmp_path) -> None:
    """With `explain: false`, results have only what customers may read."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(1))
    score(explain=False)
    ((reasons,),) = results("SELECT reasons FROM {t}")
    assert reasons[0]["text"]
    assert {each["investigator_text"] for each in reasons} == {None}


def test_a_repeated_run_scores_the_missing_parts(score, results, to_parquet, customers, tmp_path) -> None:
    """A repeated run keeps the stored parts and scores the missing ones; the summary counts all."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(35))
    whole = score()
    before = dict(results("SELECT customer_id, decision_id FROM {t} ORDER BY row"))
    out = tmp_path / "out" / f"run={NAME}"
    (out / "summary.json").unlink()
    (out / "part-00000-00001.parquet").unlink()
    again = score()
    assert (again["rows"], again["segments"], again["parts_stored_before"]) == (35, whole["segments"], 3)
    after = dict(results("SELECT customer_id, decision_id FROM {t} ORDER BY row"))
    assert list(after) == list(before)
    anew = {name for name in before if before[name] != after[name]}
    assert anew == {f"c-{number}" for number in range(10, 20)}


def test_a_finished_run_does_nothing(score, to_parquet, customers, tmp_path, caplog) -> None:
    """A finished run that is repeated returns its summary, even without its input."""
    caplog.set_level("INFO", "serving.batch")
    path = to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    summary = score()
    path.unlink()
    assert score() == summary
    assert f"run {NAME} was finished at" in caplog.text


def test_an_additional_part_is_an_error(score, to_parquet, customers, tmp_path) -> None:
    """An additional file among the parts is an error before the summary is written."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(30))
    score()
    out = tmp_path / "out" / f"run={NAME}"
    (out / "summary.json").unlink()
    (out / "part-00000-00000.parquet").rename(out / "part-00007-00000.parquet")
    with pytest.raises(ResultsAltered, match=r"has 4 parts of .*, but 3 were stored"):
        score()
    assert not (out / "summary.json").exists()


@pytest.mark.parametrize("change", ["input", "part_rows"])
def test_a_run_never_mixes_two_inputs(score, to_parquet, customers, tmp_path, change) -> None:
    """A run with another input or other parts than the stored ones is an error."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    score()
    (tmp_path / "out" / f"run={NAME}" / "summary.json").unlink()
    if change == "input":
        to_parquet(tmp_path / "in" / "a.parquet", customers(4))
    with pytest.raises(UnusableInput, match="was made from other input"):
        score(part_rows=2 if change == "part_rows" else 10)


def test_too_few_rows_are_an_error(score, to_parquet, customers, tmp_path) -> None:
    """An input with fewer rows than `least_rows` is an error, and no summary is written."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    with pytest.raises(UnusableInput, match=r"The input has 3 rows, fewer than least_rows \(4\)"):
        score(least_rows=4)
    assert not (tmp_path / "out" / f"run={NAME}" / "summary.json").exists()


def test_a_stopped_run_stores_no_incomplete_part(score, to_parquet, customers, tmp_path) -> None:
    """A run that is stopped stores no incomplete part, and continues when it is repeated."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(30))
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Interrupted):
        score(stopping=stopping)
    assert not list(tmp_path.glob("out/*/*.parquet"))
    assert score()["rows"] == 30


def test_a_failing_run_stores_the_parts_before_the_failure(score, to_parquet, customers, tmp_path) -> None:
    """A run that fails at a later input stores the parts before it, also with a slow output."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(5))
    to_parquet(tmp_path / "in" / "b.parquet", [{"customer_id": "c-9"}], {"customer_id": "VARCHAR"})
    with pytest.raises(UnusableInput, match="has none of the three forms"):
        score(delay=0.5)
    assert len(list(tmp_path.glob("out/*/*.parquet"))) == 1


class Recorder:
    """A record that loses, once, everything written since the last commit."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.kept: list[str] = []
        self.failures = 1

    def decided(self, answer, **_) -> None:
        """Record a decision."""
        self.written.append(answer.customer_id)

    def refused(self, *_, **__) -> None:
        """Record a refusal."""

    def commit(self) -> None:
        """Keep what was written, or lose it."""
        written, self.written = self.written, []
        if self.failures:
            self.failures -= 1
            raise RecordUnavailable("the disk is full", records=len(written))
        self.kept += written


def test_a_part_whose_records_are_lost_is_scored_again(score, results, to_parquet, customers, tmp_path) -> None:
    """No result is stored whose decision isn't recorded."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(25))
    recorder = Recorder()
    assert score(recorder=recorder, patience=5)["rows"] == 25
    assert recorder.kept == [f"c-{number}" for number in range(25)]
    assert [name for (name,) in results("SELECT customer_id FROM {t} ORDER BY row")] == recorder.kept


def test_an_unavailable_record_ends_the_run(score, to_parquet, customers, tmp_path) -> None:
    """A record that stays unavailable ends the run before anything of the part is stored."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(5))
    with pytest.raises(RecordsLost, match="the disk is full"):
        score(recorder=Recorder())
    assert not list(tmp_path.glob("out/*/*.parquet"))


def test_a_full_record_delays_rows(score, to_parquet, customers, tmp_path) -> None:
    """A full record delays a row and does not refuse it; earlier records are committed meanwhile."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(5))

    class Full(Recorder):
        def decided(self, answer, **_) -> None:
            if answer.customer_id == "c-3" and self.full:
                self.full = False
                raise RecordUnavailable("the outbox is full")
            super().decided(answer)

    recorder = Full()
    recorder.full, recorder.failures = True, 0
    summary = score(recorder=recorder, patience=5)
    assert (summary["rows"], summary["refused"]) == (5, 0)
    assert recorder.kept == [f"c-{number}" for number in range(5)]
