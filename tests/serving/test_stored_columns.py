"""The columns of all tables and files that exist: what is stored in them must go on fitting.

Each change of a struct that is stored shows here. Columns may only be added, each at the end of its table or of its
struct, and NULLABLE or REPEATED.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from customer_risk.serving.bulk.jobs.parquet import to_parquet
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.bulk.tables.outputs import rows
from customer_risk.serving.bulk.tables.outputs.objects import ObjectsOutput
from customer_risk.serving.contract.columns import Column
from customer_risk.serving.record.sinks.bigquery import schema
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.parquet import Parquet

if TYPE_CHECKING:
    from types import ModuleType

RECORD = """\
version INTEGER REQUIRED: Of the record's form
kind STRING REQUIRED: decision or refusal
decision_id STRING REQUIRED: UUIDv7; a refusal has one of its own
recorded_at TIMESTAMP REQUIRED: When it was decided
took_us INTEGER REQUIRED: Microseconds from the whole body to the decision, -1 where unknown
route STRING REQUIRED: The way in
caller STRING REQUIRED: Whose token
trace STRING REQUIRED: 32 hexadecimal digits, or empty
customer_id STRING REQUIRED: As given or as a keyed hash; empty in a refusal
status INTEGER REQUIRED: HTTP status of the answer
problem STRING REQUIRED: A refusal's: stable name of what was wrong
pointers STRING REPEATED: A refusal's: JSON pointers at the bad fields
source STRING REQUIRED: model or rules; empty in a refusal
model_name STRING REQUIRED
model_version STRING REQUIRED: The bundle's hash, or the rules' version
cpu STRING REQUIRED: Family of the processor that answered
probability FLOAT NULLABLE: None where rules answered
segment STRING REQUIRED
action STRING REQUIRED: What the decision proposes
reasons RECORD REPEATED: The heaviest first
  code STRING REQUIRED: Stable name of the reason
  text STRING REQUIRED: What the customer may be told
  direction STRING REQUIRED: raises or lowers
  feature STRING NULLABLE
  value FLOAT NULLABLE: Of the feature; none where it was missing
  unit STRING NULLABLE
  contribution FLOAT NULLABLE: To the margin; none where rules answered
  share FLOAT NULLABLE: Of all contributions, 0 to 1
  investigator_text STRING NULLABLE: Not for the customer
warnings RECORD REPEATED: What the decision rests on weakly
  code STRING REQUIRED: Stable name of the warning
  pointer STRING REQUIRED: JSON pointer into the request
  detail STRING REQUIRED
features RECORD REPEATED: All that the model was given, in its order
  name STRING REQUIRED
  value FLOAT NULLABLE: None where it is missing
transactions INTEGER REQUIRED: Number of transactions that it rests on
encoded BYTES REQUIRED: The customer as the features were computed from; empty where they were given
history_complete BOOLEAN REQUIRED: Whether the request said so
patterns RECORD REPEATED: Found in the transactions
  code STRING REQUIRED: Stable name of the pattern
  count INTEGER NULLABLE: Number of transactions that show the pattern
  amount FLOAT NULLABLE: EUR: the sum of these transactions, or the money that passed through
  share FLOAT NULLABLE: Of the money in, or of crypto purchases; null for other patterns
  first_at STRING NULLABLE: Time of the first of these transactions, RFC 3339
  last_at STRING NULLABLE: Time of the last of these transactions, RFC 3339
  investigator_text STRING NULLABLE: Not for the customer
action_rule INTEGER NULLABLE: Version of the rule that led to the action; null means 1
wordings INTEGER NULLABLE: Version of the texts of reasons and patterns; null means 1
"""

RESULTS = """\
day DATE REQUIRED: of the run
run STRING REQUIRED: the run's name and day
plan STRING REQUIRED: hash of the run's input, which a run that goes on must find again
part STRING REQUIRED: of the run, stored whole or not at all
row INTEGER REQUIRED: in the input's file or query, from 0
customer_id STRING NULLABLE: null where a refused row's can't be read
status INTEGER REQUIRED: 200, or that of the problem
decision_id STRING NULLABLE: as in the record
decided_at TIMESTAMP NULLABLE
probability FLOAT NULLABLE: null where rules answered
segment STRING NULLABLE: low, medium or high
action STRING NULLABLE: none, review or propose_off_boarding
source STRING NULLABLE: model or rules
model_name STRING NULLABLE
model_version STRING NULLABLE: the bundle's hash, or the rules'
reasons RECORD REPEATED: the strongest first
  code STRING NULLABLE
  text STRING NULLABLE: may be shown to the customer
  direction STRING NULLABLE: raises or lowers
  feature STRING NULLABLE
  value FLOAT NULLABLE
  unit STRING NULLABLE
  contribution FLOAT NULLABLE
  share FLOAT NULLABLE
  investigator_text STRING NULLABLE: may not be shown to the customer
warnings RECORD REPEATED
  code STRING NULLABLE
  pointer STRING NULLABLE: into the request
  detail STRING NULLABLE
problem STRING NULLABLE: why the row was refused, by a name that stays
detail STRING NULLABLE: the same in words
errors RECORD REPEATED: each bad field of a refused row
  pointer STRING NULLABLE: into the request
  detail STRING NULLABLE
patterns RECORD REPEATED: found in the transactions
  code STRING NULLABLE
  count INTEGER NULLABLE: number of transactions that show the pattern
  amount FLOAT NULLABLE: EUR: the sum of these transactions, or the money that passed through
  share FLOAT NULLABLE: of the money in, or of crypto purchases
  first_at STRING NULLABLE: time of the first of these transactions
  last_at STRING NULLABLE: time of the last of these transactions
  investigator_text STRING NULLABLE: may not be shown to the customer
"""

REASON = (
    'STRUCT(code VARCHAR, "text" VARCHAR, direction VARCHAR, feature VARCHAR, "value" DOUBLE, unit VARCHAR, '
    'contribution DOUBLE, "share" DOUBLE, investigator_text VARCHAR)[]'
)
PATTERN = (
    'STRUCT(code VARCHAR, count BIGINT, amount DOUBLE, "share" DOUBLE, first_at VARCHAR, last_at VARCHAR, '
    "investigator_text VARCHAR)[]"
)
WARNING = "STRUCT(code VARCHAR, pointer VARCHAR, detail VARCHAR)[]"
ERROR = "STRUCT(pointer VARCHAR, detail VARCHAR)[]"
MODEL = 'STRUCT("name" VARCHAR, "version" VARCHAR)'
RECORD_PARQUET = {
    "version": "INTEGER",
    "kind": "VARCHAR",
    "decision_id": "VARCHAR",
    "recorded_at": "TIMESTAMP WITH TIME ZONE",
    "took_us": "BIGINT",
    "route": "VARCHAR",
    "caller": "VARCHAR",
    "trace": "VARCHAR",
    "customer_id": "VARCHAR",
    "status": "INTEGER",
    "problem": "VARCHAR",
    "pointers": "VARCHAR[]",
    "source": "VARCHAR",
    "model": MODEL,
    "cpu": "VARCHAR",
    "probability": "DOUBLE",
    "segment": "VARCHAR",
    "action": "VARCHAR",
    "reasons": REASON,
    "warnings": WARNING,
    "features": 'STRUCT("name" VARCHAR, "value" DOUBLE)[]',
    "transactions": "INTEGER",
    "encoded": "BLOB",
    "history_complete": "BOOLEAN",
    "patterns": PATTERN,
    "action_rule": "INTEGER",
    "wordings": "INTEGER",
}
RESULTS_PARQUET = {
    "day": "DATE",
    "run": "VARCHAR",
    "plan": "VARCHAR",
    "part": "VARCHAR",
    "row": "BIGINT",
    "customer_id": "VARCHAR",
    "status": "BIGINT",
    "decision_id": "VARCHAR",
    "decided_at": "TIMESTAMP WITH TIME ZONE",
    "probability": "DOUBLE",
    "segment": "VARCHAR",
    "action": "VARCHAR",
    "source": "VARCHAR",
    "model_name": "VARCHAR",
    "model_version": "VARCHAR",
    "reasons": REASON,
    "warnings": WARNING,
    "problem": "VARCHAR",
    "detail": "VARCHAR",
    "errors": ERROR,
    "patterns": PATTERN,
}
JOBS_PARQUET = {
    "status": "INTEGER",
    "answer": (
        "STRUCT(decision_id VARCHAR, customer_id VARCHAR, decided_at TIMESTAMP, probability DOUBLE, segment VARCHAR, "
        f'"action" VARCHAR, reasons {REASON}, patterns {PATTERN}, "source" VARCHAR, model {MODEL}, warnings {WARNING})'
    ),
    "problem": f'STRUCT("type" VARCHAR, title VARCHAR, status INTEGER, detail VARCHAR, errors {ERROR})',
    "customer_id": "VARCHAR",
}


def _lines(columns: Sequence[Column], indent: str = "") -> Iterator[str]:
    for each in columns:
        yield f"{indent}{each.name} {each.type} {each.mode}" + (f": {each.description}" if each.description else "")
        yield from _lines(each.fields, f"{indent}  ")


def _types(path: Path) -> dict[str, str]:
    described = duckdb.execute("SELECT * FROM read_parquet(?) LIMIT 0", [str(path)]).description
    return {name: str(kind) for name, kind, *_ in described}


@pytest.mark.parametrize(("columns", "stored"), [(schema.COLUMNS, RECORD), (rows.COLUMNS, RESULTS)])
def test_tables_in_bigquery_keep_their_columns(columns, stored) -> None:
    """Names, order, types, modes and descriptions are those of the tables that exist."""
    assert "\n".join(_lines(columns)) + "\n" == stored


def test_the_records_table_keeps_its_version() -> None:
    """The version grows by the number of added columns: 1 before patterns and versions were added."""
    assert schema.VERSION == 1 + 10


def test_segments_of_the_record_keep_their_columns(tmp_path: Path, samples: ModuleType) -> None:
    """A segment in Parquet has the columns of those that were written before, in their order."""
    path = tmp_path / "segment"
    path.write_bytes(Parquet().encode(samples.segment(1, 5).documents))
    assert list(_types(path).items()) == list(RECORD_PARQUET.items())


def test_results_of_table_batches_keep_their_columns(tmp_path: Path) -> None:
    """A part of a run's results in Parquet has the columns of those that were written before, in their order."""
    lines = tmp_path / "lines"
    lines.write_text('{"day": "2026-03-04", "status": 200}\n')
    output = ObjectsOutput(LocalObjects(tmp_path / "results"), "run", "the folder")
    output.store(rows.Place("2026-03-04", "run", "plan", "00000-00000"), lines)
    assert list(_types(tmp_path / "results/run=run/part-00000-00000.parquet").items()) == list(RESULTS_PARQUET.items())


FOUND = {
    "code": "PASS_THROUGH",
    "count": 6,
    "amount": 4850.0,
    "share": 0.97,
    "first_at": "2026-11-02T08:15:00Z",
    "last_at": "2026-11-05T17:40:12.500000Z",
    "investigator_text": "97% of all money in.",
}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (json.dumps({"patterns": [FOUND]}), [FOUND]),
        ('{"patterns": [{"code": "NIGHT_BURST"}]}', [dict.fromkeys(FOUND) | {"code": "NIGHT_BURST"}]),
        ('{"patterns": []}', []),
        ('{"patterns": null}', None),
        ("{}", None),
    ],
    ids=["explained", "codes", "not found", "not seen", "an earlier release"],
)
def test_patterns_of_jobs_are_kept_in_parquet(tmp_path: Path, stored: str, read: object) -> None:
    """Stored patterns are those of the answer; null stays null, and results of earlier releases are null."""
    to_parquet([gzip.compress(b'{"status": 200, "answer": %b}\n' % stored.encode())], tmp_path / "r", JobSettings())
    query = "SELECT answer.patterns FROM read_parquet(?)"
    assert duckdb.execute(query, [str(tmp_path / "r")]).fetchone() == (read,)


def test_patterns_of_table_batches_are_kept_in_parquet(tmp_path: Path) -> None:
    """A part has its rows' patterns, and is read together with parts of an earlier release, which have none."""
    lines = tmp_path / "lines"
    lines.write_text(json.dumps({"day": "2026-03-04", "status": 200, "patterns": [FOUND]}) + "\n")
    output = ObjectsOutput(LocalObjects(tmp_path / "results"), "run", "the folder")
    output.store(rows.Place("2026-03-04", "run", "plan", "1"), lines)
    folder = tmp_path / "results/run=run"
    new, old = folder / "part-1.parquet", folder / "part-0.parquet"
    duckdb.execute(f"COPY (SELECT * EXCLUDE patterns FROM '{new}') TO '{old}' (FORMAT parquet)")  # noqa: S608  paths of the test's own
    query = "SELECT patterns FROM read_parquet(?, union_by_name = true) ORDER BY filename"
    assert duckdb.execute(query, [f"{folder}/part-*.parquet"]).fetchall() == [(None,), ([FOUND],)]


def test_results_of_jobs_keep_their_columns(tmp_path: Path) -> None:
    """A job's results in Parquet have the columns of those that were written before.

    Within `answer`, fields have the order of an answer: a job's results are one file, which no later job adds to.
    """
    to_parquet([gzip.compress(b'{"status": 200}\n')], tmp_path / "results.parquet", JobSettings())
    assert list(_types(tmp_path / "results.parquet").items()) == list(JOBS_PARQUET.items())
