"""A number gives the same value at every entrance, or is refused there by its name."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.tables.csv_form import CsvForm, in_our_form
from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.parsing import read_numbers
from customer_risk.model.tables.reading import read_table
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Format, Job, JobSettings
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.bulk.tables.scoring import Scoring
from customer_risk.serving.decisions.engine import Engine
from customer_risk.serving.decisions.request_parser import ParsedRequest
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.kserve.v2.inputs import read_inputs
from customer_risk.serving.kserve.v2.tensors import Tensor
from tests.number_texts import NUMBERS, ONLY_IN_TABLES

INFER = "/v2/models/customer-risk/infer"
NOT_JSON = "not JSON"
# A value, the fields that were refused, or NOT_JSON.
Reading = float | tuple[str, ...] | str | None


@pytest.fixture
def seen(monkeypatch) -> dict[str, float]:
    """The first feature's value in each request that is answered, by customer."""
    found: dict[str, float] = {}
    decide = Engine.decide

    def keep(self: Engine, read: ParsedRequest, **options: Any) -> Any:
        if read.values.size:
            found[read.customer_id] = float(read.values[0])
        return decide(self, read, **options)

    monkeypatch.setattr(Engine, "decide", keep)
    return found


@pytest.fixture
def entrances(  # noqa: C901, PLR0915  one function an entrance
    app, model, call, service, seen, jobs_repository, tmp_path
) -> dict[str, Callable[..., list[Reading]]]:
    """Functions that send the model's features to each entrance, the first of them as each of some texts."""
    model.load()
    first, *others = service.names()

    def outcome(customer_id: str, problem: dict[str, Any] | None) -> Reading:
        if problem is None:
            return seen.pop(customer_id)
        if problem["status"] == 400:
            return NOT_JSON
        assert problem["status"] == 422
        return tuple(each["pointer"] for each in problem["errors"])

    def request(place: int, text: str) -> str:
        rest = "".join(f', "{name}": 1' for name in others)
        return f'{{"customer_id": "c-{place}", "features": {{"{first}": {text}{rest}}}}}'

    def posted(path: str, body: Callable[[int, str], str]) -> Callable[..., list[Reading]]:
        def send(place: int, text: str) -> Reading:
            headers = {"Content-Type": "application/json"}
            response = call(app, "POST", path, content=body(place, text).encode(), headers=headers)
            return outcome(f"c-{place}", None if response.status_code == 200 else response.json())

        return lambda texts: [send(*each) for each in enumerate(texts)]

    def tensors(place: int, text: str) -> str:
        columns = [(first, text), *((name, "1") for name in others)]
        inputs = [f'{{"name": "customer_id", "datatype": "BYTES", "shape": [1], "data": ["c-{place}"]}}']
        inputs += [
            f'{{"name": "{name}", "datatype": "FP64", "shape": [1], "data": [{value}]}}' for name, value in columns
        ]
        return f'{{"inputs": [{", ".join(inputs)}]}}'

    def job(form: Format, write: Callable[[list[str]], bytes]) -> Callable[..., list[Reading]]:
        def send(texts: list[str]) -> list[Reading]:
            jobs_repository.put_input("j", 0, write(texts), seconds=3600)
            now = jobs_repository.clock()
            fields = {"job_id": "j", "caller": "a", "explain": True, "format": form, "rows": None, "pieces": 1}
            jobs_repository.add(Job(**fields, created=now, expires=now + 3600))
            runner = JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=1))
            while runner.work():
                pass
            results = map(json.loads, b"".join(jobs_repository.results(jobs_repository.get("j"))).splitlines())
            made = [outcome(f"c-{place}", each.get("problem")) for place, each in enumerate(results)]
            assert len(made) == len(texts)
            return made

        return send

    def cells(texts: list[str]) -> bytes:
        written = io.StringIO()
        rows = [[f"c-{place}", text, *("1" for _ in others)] for place, text in enumerate(texts)]
        csv.writer(written).writerows([["customer_id", first, *others], *rows])
        return written.getvalue().encode()

    def parquet(texts: list[str] | list[float]) -> bytes:
        written = io.BytesIO()
        columns = {"customer_id": [f"c-{place}" for place in range(len(texts))], first: texts}
        pl.DataFrame(columns | {name: [1.0] * len(texts) for name in others}).write_parquet(written)
        return written.getvalue()

    def batch_table(texts: list[str] | list[float]) -> list[Reading]:
        path = tmp_path / "input.parquet"
        path.write_bytes(parquet(texts))
        scoring = Scoring(Exchange(service), explain=False, caller="batch", patience=Patience(1))
        with opened(path, service.names(), "input.parquet") as rows:
            lines = [line for some in rows.lines(0) for line in some]
        made = [json.loads(scoring.line(line, Place("2026-03-01", "run", "plan", "part"), 0)[0]) for line in lines]
        return [
            tuple(found["pointer"] for found in each["errors"]) if each["errors"] else outcome(f"c-{place}", None)
            for place, each in enumerate(made)
        ]

    def table(texts: list[str]) -> list[Reading]:
        synthesize(tmp_path, customers=20, seed=5, risk_rate=0.1, format="csv")
        path = tmp_path / "transactions_labelled.csv"
        row = pl.read_csv(path, infer_schema=False).head(1)
        pl.concat([row] * len(texts)).with_columns(amount=pl.Series(texts)).write_csv(path)
        made = read_table(tmp_path, "transactions", "labelled", Mapping())
        unreadable = made.unreadable.filter(column="amount")["row"].to_list()
        amounts = made.frame["amount"].to_list()
        assert [place for place, amount in enumerate(amounts, 1) if amount is None] == unreadable
        return amounts

    return {
        "risk": posted("/ai/v1/risk", request),
        "V1": posted("/v1/models/customer-risk:predict", lambda *each: f'{{"instances": [{request(*each)}]}}'),
        "V2": posted(INFER, tensors),
        "job, NDJSON": job(
            "ndjson", lambda texts: "".join(f"{request(*each)}\n" for each in enumerate(texts)).encode()
        ),
        "job, CSV": job("csv", cells),
        "job, Parquet": job("parquet", parquet),
        "batch of tables": batch_table,
        "CSV table": table,
    }


def _differing(texts: Any, found: list[Reading], wanted: list[Any]) -> dict[str, Any]:
    pairs = zip(texts, found, wanted, strict=True)
    return {text: (is_, should) for text, is_, should in pairs if is_ != should}


@pytest.mark.parametrize(
    ("entrance", "pointer"),
    [
        ("risk", "/features/{}"),
        ("V1", "/instances/0/features/{}"),
        ("V2", "/inputs/1/data/0"),
        ("job, NDJSON", "/features/{}"),
    ],
)
def test_numbers_in_json_are_json_s(entrances, service, entrance, pointer) -> None:
    """A literal gives its value, or is refused: by its field where it is JSON or not finite, else as no JSON."""
    refusals = ((pointer.format(service.names()[0]),), ("/inputs/1/shape",), NOT_JSON)  # within V2's list, 1,5 is two
    found = ["refused" if each in refusals else each for each in entrances[entrance](list(NUMBERS))]
    wanted = ["refused" if number is None else number for number in NUMBERS.values()]
    assert _differing(NUMBERS, found, wanted) == {}


def test_numbers_in_cells_of_jobs_are_json_s(entrances, service) -> None:
    """A cell gives the value of JSON's number; any other text is refused by its column."""
    field = (f"/features/{service.names()[0]}",)
    found = entrances["job, CSV"](list(NUMBERS))
    assert _differing(NUMBERS, found, [field if number is None else number for number in NUMBERS.values()]) == {}


def test_an_empty_cell_is_missing(entrances) -> None:
    """An empty cell and one of blanks have no value."""
    assert all(math.isnan(each) for each in entrances["job, CSV"](["", " ", " \t "]))


@pytest.mark.parametrize("entrance", ["job, Parquet", "batch of tables"])
def test_texts_in_parquet_are_no_numbers(entrances, service, entrance) -> None:
    """A column of text is refused by its name, whatever it holds."""
    field = (f"/features/{service.names()[0]}",)
    assert entrances[entrance](list(NUMBERS)) == [field] * len(NUMBERS)


@pytest.mark.parametrize("entrance", ["job, Parquet", "batch of tables"])
def test_infinite_floats_of_parquet_are_refused(entrances, service, entrance) -> None:
    """An infinite float, and one beyond the bounds, are refused by their column."""
    field = (f"/features/{service.names()[0]}",)
    assert entrances[entrance]([1.5, math.inf, -math.inf, 1e300]) == [1.5, field, field, field]


def test_amounts_in_tables_are_decimal_numbers(entrances) -> None:
    """A table's text gives the same value, or is unreadable; signs, zeros and points as banks write them are read."""
    wanted = list((NUMBERS | ONLY_IN_TABLES).values())
    assert _differing(NUMBERS, entrances["CSV table"](list(NUMBERS)), wanted) == {}


def test_the_decimal_mark_of_tables_may_be_a_comma() -> None:
    """Then every number that is read with a point is read with a comma, to the same value, and no other text is."""
    # Without commas, and without the blanks that separate thousands.
    corpus = {
        text: number
        for text, number in (NUMBERS | ONLY_IN_TABLES).items()
        if not re.search("[, \u00a0\u202f\u2003]", text)
    }
    texts = [text.replace(".", ",") for text in corpus]
    read = read_numbers(in_our_form(pl.Series(texts), pl.Float64(), CsvForm(decimal=",")))
    assert _differing(texts, read.to_list(), list(corpus.values())) == {}


def test_tensors_beyond_the_bounds_of_a_number_are_refused(service) -> None:
    """V2's binary tensors have the bounds of JSON's numbers; NaN is missing."""
    names = service.names()
    values = np.ones((5, len(names)))
    values[:, 0] = [math.nan, math.inf, -math.inf, 1e16, 1e15]
    tensors = [
        Tensor(at="/inputs/0", name="customer_id", shape=(5,), data=[b"a", b"b", b"c", b"d", b"e"]),
        Tensor(at="/inputs/1", name="features", shape=values.shape, data=values.ravel()),
    ]
    with pytest.raises(InputError) as refused:
        read_inputs(tensors, service)
    assert [each.pointer for each in refused.value.fields] == [
        f"/inputs/1/data/{place * len(names)}" for place in (1, 2, 3)
    ]
