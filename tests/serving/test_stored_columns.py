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
version INTEGER REQUIRED: Version of the record's form
kind STRING REQUIRED: decision or refusal
decision_id STRING REQUIRED: UUIDv7; refusals have one too
recorded_at TIMESTAMP REQUIRED: Time of the decision or refusal
took_us INTEGER REQUIRED: Microseconds from the complete body to the decision; -1 if unknown
route STRING REQUIRED: Path of the request without identifiers, or method of gRPC
caller STRING REQUIRED: Name of the client, from its token
trace STRING REQUIRED: 32 hexadecimal digits, or empty
customer_id STRING REQUIRED: As in the request, or as a keyed hash; empty in a refusal
status INTEGER REQUIRED: HTTP status of the answer
problem STRING REQUIRED: Stable name of the reason for a refusal
pointers STRING REPEATED: JSON pointers to the invalid fields of a refusal
source STRING REQUIRED: model or rules; empty in a refusal
model_name STRING REQUIRED
model_version STRING REQUIRED: The bundle's hash, or the rules' version
cpu STRING REQUIRED: CPU family of the machine that answered
probability FLOAT NULLABLE: Null if rules answered
segment STRING REQUIRED
action STRING REQUIRED: Proposed action
reasons RECORD REPEATED: The strongest first
  code STRING REQUIRED: Stable name of the reason
  text STRING REQUIRED: Text that the customer may see
  direction STRING REQUIRED: raises or lowers
  feature STRING NULLABLE
  value FLOAT NULLABLE: Value of the feature; null if it is missing
  unit STRING NULLABLE
  contribution FLOAT NULLABLE: Part of the probability's log-odds; null if rules answered
  share FLOAT NULLABLE: Share of all absolute contributions, 0 to 1
  investigator_text STRING NULLABLE: Text for investigators only; the customer must not see it
warnings RECORD REPEATED: Input that may be a mistake
  code STRING REQUIRED: Stable name of the warning
  pointer STRING REQUIRED: JSON pointer into the request
  detail STRING REQUIRED
features RECORD REPEATED: All inputs of the model, in its order
  name STRING REQUIRED
  value FLOAT NULLABLE: Null if it is missing
transactions INTEGER REQUIRED: Number of transactions that the decision used
encoded BYTES REQUIRED: Profile and transactions as the features were computed from them; empty if features were given
history_complete BOOLEAN REQUIRED: Whether the request had all transactions, as it states
patterns RECORD REPEATED: Patterns found in the transactions
  code STRING REQUIRED: Stable name of the pattern
  count INTEGER NULLABLE: Number of transactions that show the pattern
  amount FLOAT NULLABLE: EUR: the sum of these transactions, or the money that passed through
  share FLOAT NULLABLE: Share of the money in, or of crypto purchases; null for other patterns
  first_at STRING NULLABLE: Time of the first of these transactions, RFC 3339
  last_at STRING NULLABLE: Time of the last of these transactions, RFC 3339
  investigator_text STRING NULLABLE: Text for investigators only; the customer must not see it
action_rule INTEGER NULLABLE: Version of the rule that led to the action; null means 1
wordings INTEGER NULLABLE: Version of the texts of reasons and patterns; null means 1
"""

RESULTS = """\
day DATE REQUIRED: day of the run
run STRING REQUIRED: the run's name and day
plan STRING REQUIRED: hash of the run's input, which must be the same if the run continues
part STRING REQUIRED: number of the part of the run; a part is stored completely or not at all
row INTEGER REQUIRED: number of the row in the input's file or query, from 0
customer_id STRING NULLABLE: null if a refused row has no readable customer_id
status INTEGER REQUIRED: HTTP status: 200, or the problem's
decision_id STRING NULLABLE: id of the decision, as in the record
decided_at TIMESTAMP NULLABLE
probability FLOAT NULLABLE: null if rules answered
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
  pointer STRING NULLABLE: JSON pointer into the request
  detail STRING NULLABLE
problem STRING NULLABLE: stable name of the reason for a refusal
detail STRING NULLABLE: what was wrong, and what to do
errors RECORD REPEATED: each bad field of a refused row
  pointer STRING NULLABLE: JSON pointer into the request
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
    """Names, order, types, modes and descriptions are those of existing tables."""
    assert "\n".join(_lines(columns)) + "\n" == stored


def test_the_records_table_keeps_its_version() -> None:
    """The version grows by the number of added columns: 1 before patterns and versions were added."""
    assert schema.VERSION == 1 + 10


def test_segments_of_the_record_keep_their_columns(tmp_path: Path, samples: ModuleType) -> None:
    """A segment in Parquet has the columns of earlier segments, in their order."""
    path = tmp_path / "segment"
    path.write_bytes(Parquet().encode(samples.segment(1, 5).documents))
    assert list(_types(path).items()) == list(RECORD_PARQUET.items())


def test_results_of_table_batches_keep_their_columns(tmp_path: Path) -> None:
    """A part of a run's results in Parquet has the columns of earlier parts, in their order."""
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
    """Stored patterns equal those of the answer; null stays null, and patterns of earlier releases are null."""
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
