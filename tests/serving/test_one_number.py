"""A number gives the same value at every entrance, or is refused there by its name."""

from __future__ import annotations

import io
import math
import re
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
from customer_risk.serving.decisions.engine import Engine
from customer_risk.serving.decisions.request_parser import ParsedRequest
from customer_risk.serving.kserve.v2.inputs import read_inputs
from customer_risk.serving.kserve.v2.tensors import Tensor
from tests.number_texts import NUMBERS, ONLY_IN_TABLES
from tests.serving.entrances import INFER, JSON_ENTRANCES, cells, pointers, texts

NOT_JSON = "not JSON"
Reading = float | list[str] | str | None  # a value, the fields that were refused, or NOT_JSON


@pytest.fixture
def read(entrances, model, monkeypatch):
    """Send the model's features to an entrance, the first of them as each of some values; return what was read."""
    seen: dict[str, float] = {}
    decide = Engine.decide
    first, *others = model.service.names()

    def keep(self: Engine, read: ParsedRequest, **options: Any) -> Any:
        seen[read.customer_id] = float(read.values[0])
        return decide(self, read, **options)

    monkeypatch.setattr(Engine, "decide", keep)

    def tensors(place: int, text: str) -> dict[str, Any]:
        columns = [(first, f"<{text}>"), *((name, 1) for name in others)]
        numbers = [{"name": name, "datatype": "FP64", "shape": [1], "data": [each]} for name, each in columns]
        return entrances.post(INFER, {"inputs": [texts("customer_id", [f"c-{place}"]), *numbers]})

    def parquet(values: list[Any]) -> bytes:
        written = io.BytesIO()
        columns = {"customer_id": [f"c-{place}" for place in range(len(values))], first: values}
        pl.DataFrame(columns | {name: [1.0] * len(values) for name in others}).write_parquet(written)
        return written.getvalue()

    def rows(values: list[str]) -> bytes:
        ones = ["1"] * len(others)
        return cells([["customer_id", first, *others], *([f"c-{at}", each, *ones] for at, each in enumerate(values))])

    def sent(entrance: str, values: list[Any]) -> list[Reading]:
        ways = {
            "V2, features": lambda: [tensors(*each) for each in enumerate(values)],
            "job, CSV of features": lambda: entrances.job("csv", rows(values)),
            "job, Parquet": lambda: entrances.job("parquet", parquet(values)),
            "table": lambda: entrances.table(parquet(values)),
        }
        requests = [
            {"customer_id": f"c-{place}", "features": {first: f"<{value}>"} | dict.fromkeys(others, 1)}
            for place, value in enumerate(values)
        ]
        outcomes = ways[entrance]() if entrance in ways else entrances.send(entrance, requests)

        def reading(place: int, outcome: dict[str, Any]) -> Reading:
            if outcome["status"] == 200:
                return seen.pop(f"c-{place}")
            return NOT_JSON if outcome["status"] == 400 else pointers(outcome)

        return [reading(*each) for each in enumerate(outcomes)]

    return sent


def _amounts(folder: Any, values: list[str]) -> list[float | None]:
    """Return the amounts that training reads from a CSV table, None for unreadable ones."""
    synthesize(folder, customers=20, seed=5, risk_rate=0.1, format="csv")
    path = folder / "transactions_labelled.csv"
    row = pl.read_csv(path, infer_schema=False).head(1)
    pl.concat([row] * len(values)).with_columns(amount=pl.Series(values)).write_csv(path)
    made = read_table(folder, "transactions", "labelled", Mapping())
    amounts = made.frame["amount"].to_list()
    unreadable = made.unreadable.filter(column="amount")["row"].to_list()
    assert [place for place, amount in enumerate(amounts, 1) if amount is None] == unreadable
    return amounts


def _differing(texts: Any, found: list[Reading], wanted: list[Any]) -> dict[str, Any]:
    pairs = zip(texts, found, wanted, strict=True)
    return {text: (is_, should) for text, is_, should in pairs if is_ != should}


@pytest.mark.parametrize("entrance", ["risk", "V1", "V2", "V2, binary", "gRPC", "V2, features", "job, NDJSON"])
def test_numbers_in_json_are_read_alike(read, service, entrance) -> None:
    """A literal is read as its value or refused: as a bad field if it is JSON or not finite, else as malformed."""
    field = f"{JSON_ENTRANCES.get(entrance, '')}/features/{service.names()[0]}"
    if entrance == "V2, features":
        refusals: list[Reading] = [["/inputs/1/data/0"], ["/inputs/1/shape"], NOT_JSON]  # in its list, 1,5 is two
    else:
        refusals = [[field], NOT_JSON, [JSON_ENTRANCES[entrance]]]  # V2 and gRPC point at a text that isn't JSON
    found = ["refused" if each in refusals else each for each in read(entrance, list(NUMBERS))]
    wanted = ["refused" if number is None else number for number in NUMBERS.values()]
    assert _differing(NUMBERS, found, wanted) == {}


def test_numbers_in_cells_of_jobs_are_read_as_in_json(read, service) -> None:
    """A cell gives the value of JSON's number; any other text is refused by its column."""
    field = [f"/features/{service.names()[0]}"]
    found = read("job, CSV of features", list(NUMBERS))
    assert _differing(NUMBERS, found, [field if number is None else number for number in NUMBERS.values()]) == {}


def test_an_empty_cell_is_missing(read) -> None:
    """An empty cell and one of blanks have no value."""
    assert all(math.isnan(each) for each in read("job, CSV of features", ["", " ", " \t "]))


@pytest.mark.parametrize("entrance", ["job, Parquet", "table"])
def test_texts_and_infinite_floats_in_parquet_are_refused(read, service, entrance) -> None:
    """A column of text, an infinite float and a float beyond the bounds are refused by their column."""
    field = [f"/features/{service.names()[0]}"]
    assert read(entrance, list(NUMBERS)) == [field] * len(NUMBERS)
    assert read(entrance, [1.5, math.inf, -math.inf, 1e300]) == [1.5, field, field, field]


def test_amounts_in_tables_are_decimal_numbers(tmp_path) -> None:
    """A table's text gives the same value, or is unreadable; signs, zeros and points as banks write them are read."""
    wanted = list((NUMBERS | ONLY_IN_TABLES).values())
    assert _differing(NUMBERS, _amounts(tmp_path, list(NUMBERS)), wanted) == {}


def test_the_decimal_mark_of_tables_may_be_a_comma() -> None:
    """With a decimal comma, every number gives the value that it has with a point."""
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
