"""Malformed, broken and hostile files: each ends only its own job."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field

import duckdb
import pytest

from customer_risk.serving.bulk.jobs.runner import JobRunner
from customer_risk.serving.bulk.jobs.types import Job, JobSettings
from customer_risk.serving.exchange.exchange import Exchange

LONG = 9 * 1024 * 1024  # bytes, more than a request may have


@dataclass(frozen=True)
class Odd:
    """A file, as a query for Parquet or as bytes, and the expected problem of its job or statuses of its rows."""

    kind: str
    made: str | bytes
    said: str = ""
    statuses: list[int] | None = None
    pointers: list[str] = field(default_factory=list)


def row(**columns: str) -> str:
    """Return a query for one customer, with a column for each argument."""
    listed = "".join(f', {made} AS "{name}"' for name, made in columns.items())
    return f"SELECT 'c' AS customer_id{listed}"


ODD = {
    "parquet: NaN": Odd("parquet", row(age_years="'nan'::DOUBLE"), statuses=[422]),
    "parquet: Infinity": Odd(
        "parquet", row(age_years="'inf'::DOUBLE"), statuses=[422], pointers=["/features/age_years"]
    ),
    "parquet: -Infinity": Odd(
        "parquet", row(age_years="'-inf'::FLOAT"), statuses=[422], pointers=["/features/age_years"]
    ),
    "parquet: NaN in a transaction": Odd(
        "parquet", row(profile="{'locale': NULL}", transactions="[{'amount': 'nan'::DOUBLE}]"), statuses=[422]
    ),
    "parquet: a column t": Odd("parquet", row(t="1"), said="none of the three forms; its columns are customer_id, t"),
    "parquet: a column named as the customer": Odd(
        "parquet", row(CUSTOMER_ID_="1"), said="CUSTOMER_ID_ (is customer_id meant?)"
    ),
    "parquet: quotes, dots and line ends in names": Odd(
        "parquet",
        row(**{'a""b.c\'d\n': "1", ".": "2", " ": "3", "é": "4", "$1": "5", "?": "6", "age_years": "1"}),
        statuses=[422],
    ),
    "parquet: names that differ in case": Odd(
        "parquet", row(Age_Years="1", AGE_YEARS="2"), said="(is age_years meant?)"
    ),
    "parquet: reserved words": Odd(
        "parquet", row(select="1", null="2", file_row_number="3", filename="4", age_years="5"), statuses=[422]
    ),
    "parquet: 10,000 columns": Odd(
        "parquet", row(**{f"c{i}": "1" for i in range(10_000)}), said="10,001 columns; expected at most 1,000"
    ),
    "parquet: no customer_id": Odd("parquet", "SELECT 1 AS a", said="has no column customer_id; it has 'a'"),
    "parquet: customer_id is an integer": Odd("parquet", "SELECT 1 AS customer_id, 2 AS age_years", statuses=[422]),
    "parquet: customer_id is a struct": Odd(
        "parquet", "SELECT {'a': 1} AS customer_id, 2 AS age_years", said="a column customer_id of the type STRUCT"
    ),
    "parquet: nested": Odd("parquet", row(age_years="[[{'a': MAP {'k': [1]}}]]"), statuses=[422]),
    "parquet: decimal": Odd("parquet", row(age_years="1.5::DECIMAL(38, 10)"), statuses=[422]),
    "parquet: blob": Odd(
        "parquet", row(age_years="'\\x00\\xFF'::BLOB"), statuses=[422], pointers=["/features/age_years"]
    ),
    "parquet: text with NUL": Odd("parquet", row(age_years="chr(0) || 'a'"), statuses=[422]),
    "parquet: time": Odd("parquet", row(age_years="'10:00:00'::TIME"), statuses=[422]),
    "parquet: interval": Odd("parquet", row(age_years="INTERVAL 1 MONTH"), statuses=[422]),
    "parquet: uuid": Odd("parquet", row(age_years="uuid()"), statuses=[422]),
    "parquet: enum": Odd("parquet", row(age_years="'a'::ENUM ('a')"), statuses=[422]),
    "parquet: huge integers": Odd("parquet", row(age_years="18446744073709551615::UBIGINT"), statuses=[422]),
    "parquet: integers beyond 64 bits": Odd("parquet", row(age_years="(1::HUGEINT << 100)"), statuses=[422]),
    "parquet: dates before Christ": Odd("parquet", row(age_years="'0044-03-15 (BC)'::DATE"), statuses=[422]),
    "parquet: times without end": Odd("parquet", row(age_years="'infinity'::TIMESTAMP"), statuses=[422]),
    "parquet: no rows": Odd("parquet", row(age_years="1") + " LIMIT 0", statuses=[]),
    "parquet: a profile alone": Odd("parquet", row(profile="1"), said="none of the three forms"),
    "parquet: a cell larger than a request": Odd(
        "parquet", row(age_years=f"repeat('x', {LONG})"), said="8,388,608 bytes"
    ),
    "parquet: transactions larger than a request": Odd(
        "parquet",
        row(profile="{'locale': NULL}", transactions="list_transform(range(500000), lambda x: {'amount': x})"),
        said="8,388,608 bytes",
    ),
    "parquet: other bytes": Odd("parquet", b"PAR1 or not", said="isn't Parquet that can be read"),
    "parquet: only the marks": Odd("parquet", b"PAR1\x00\x00\x00\x00PAR1", said="isn't Parquet that can be read"),
    "csv: NULs": Odd("csv", b"customer_id,age_years\nc\0,\0\n", statuses=[422]),
    "csv: NULs in the header": Odd("csv", b"customer\0_id\nc\n", said="expected a header"),
    "csv: a BOM": Odd("csv", b"\xef\xbb\xbfcustomer_id,age_years\nc,1\n", statuses=[422]),
    "csv: UTF-16": Odd("csv", "customer_id\nc\n".encode("utf-16"), said="the file is in UTF-16"),
    "csv: UTF-16 without a BOM": Odd("csv", "customer_id\nc\n".encode("utf-16-le"), said="the file is in UTF-16"),
    "csv: UTF-16, big-endian": Odd("csv", "customer_id\nc\n".encode("utf-16-be"), said="the file is in UTF-16"),
    "csv: Latin-1": Odd("csv", "customer_id,age_years\nc,1\né,2\n".encode("latin-1"), said="line 3 isn't CSV in UTF-8"),
    "csv: a huge cell": Odd(
        "csv", b"customer_id,age_years\nc," + b"x" * LONG + b"\n", said="A cell at line 2 has more than 8,388,608 bytes"
    ),
    "csv: a huge line": Odd(
        "csv", b"customer_id,age_years\n" + b"x" * 3 * LONG, said="Line 2 has more than 8,388,608 bytes"
    ),
    "csv: a huge row of many lines": Odd(
        "csv", b'customer_id,age_years\nc,"' + b"x\n" * LONG + b'"\n', said="has more than 8,388,608 bytes"
    ),
    "csv: a huge header": Odd("csv", b"customer_id" + b",a" * LONG, said="8,388,608 bytes"),
    "csv: a request larger than a request may be": Odd(
        "csv", b"request\n" + b"x" * LONG, said="A cell at line 2 has more than"
    ),
    "csv: a request larger than a cell may be by default": Odd("csv", b"request\n" + b"x" * 200_000, statuses=[400]),
    "csv: an unclosed quote": Odd("csv", b'customer_id,age_years\n"c,1\nd,2\n', said="line 3 isn't CSV"),
    "csv: a quote within a cell": Odd("csv", b'customer_id,age_years\n"c"x,1\n', said="line 2 isn't CSV"),
    "csv: embedded line ends": Odd("csv", b'customer_id,age_years\r\n"c\r\nd","1\n"\r\n', statuses=[422]),
    "csv: the line ends of old Macs": Odd("csv", b"customer_id,age_years\rc,1\rd,2\r", statuses=[422, 422]),
    "csv: NaN and Infinity": Odd("csv", b"customer_id,age_years\nc,nan\nd,inf\n", statuses=[422, 422]),
    "csv: a column twice": Odd("csv", b"customer_id,age_years,age_years\nc,1,2\n", said="two columns 'age_years'"),
    "csv: a column with a long name twice": Odd(
        "csv", b"customer_id,age_years" + 2 * (b"," + b"x" * 3000) + b"\n", statuses=[]
    ),
    "csv: an empty name": Odd("csv", b"customer_id,,age_years\nc,1,2\n", statuses=[422]),
    "csv: 10,000 columns": Odd("csv", b"customer_id" + b"".join(b",%d" % i for i in range(10_000)), said="columns"),
    "csv: a header alone": Odd("csv", b"customer_id,age_years\n", statuses=[]),
    "csv: blank lines": Odd("csv", b"\r\n\ncustomer_id,age_years\n\n\r\nc,1\n\n", statuses=[422]),
    "csv: semicolons below a blank line": Odd("csv", b"\ncustomer_id;age_years\nc;1\n", said="separated by semicolons"),
    "csv: quoted semicolons below a blank line": Odd(
        "csv", b'\n"customer_id";"age_years"\n"c";"1"\n', said="separated by semicolons"
    ),
    "csv: Excel's first line": Odd("csv", b"sep=,\r\ncustomer_id,age_years\r\nc,1\r\n", statuses=[422]),
    "csv: Excel's first line with a BOM": Odd(
        "csv", b'\xef\xbb\xbf"sep=,"\ncustomer_id,age_years\nc,1\n', statuses=[422]
    ),
    "csv: Excel's first line names semicolons": Odd(
        "csv", b"sep=;\r\ncustomer_id;age_years\r\nc;1\r\n", said="separated by semicolons"
    ),
    "csv: a short row": Odd("csv", b"customer_id,age_years\nc,1\nd\n", said="line 3"),
    "ndjson: NULs": Odd("ndjson", b'\0\n{"customer_id":"\0"}\n', statuses=[400, 400]),
    "ndjson: deep nesting": Odd("ndjson", b"[" * 100_000 + b"\n" + b'{"a":' * 100_000 + b"\n", statuses=[400, 400]),
    "ndjson: lone surrogates": Odd("ndjson", b'{"customer_id":"\\ud800"}\n"\xed\xa0\x80"\n', statuses=[400, 400]),
    "ndjson: not UTF-8": Odd("ndjson", b"\xff\xfe\n", statuses=[400]),
    "ndjson: a BOM": Odd("ndjson", b'\xef\xbb\xbf{"customer_id":"c"}\n', statuses=[422]),
    "ndjson: numbers without end": Odd("ndjson", b"9" * 100_000 + b"\n1e999999\n", statuses=[422, 422]),
}


@pytest.fixture
def runner(jobs_repository, service) -> JobRunner:
    """Return a worker that is never stopped."""
    return JobRunner(jobs_repository, Exchange(service), lambda: False, settings=JobSettings(lease_seconds=5))


@pytest.fixture
def submit(jobs_repository):
    """Submit a file as a job of a caller."""

    def put_up(name: str, kind: str, content: bytes) -> None:
        now = jobs_repository.clock()
        pieces = [content[at : at + 2**20] for at in range(0, len(content), 2**20)] if kind != "ndjson" else [content]
        for place, piece in enumerate(pieces):
            jobs_repository.put_input(name, place, piece, seconds=3600)
        job = Job(
            job_id=name,
            caller=name,
            explain=True,
            format=kind,
            pieces=len(pieces),
            rows=None,
            created=now,
            expires=now + 3600,
        )
        jobs_repository.add(job)

    return put_up


def content_of(odd: Odd, folder) -> bytes:
    """Return the file's bytes."""
    if isinstance(odd.made, bytes):
        return odd.made
    path = folder / "made.parquet"
    with duckdb.connect() as base:
        base.sql(odd.made).write_parquet(str(path))
    return path.read_bytes()


def finish(runner: JobRunner, repository, *names: str) -> list[Job]:
    """Work until the jobs have ended."""
    for _ in range(100):
        jobs = [repository.get(name) for name in names]
        if all(job.state in {"done", "failed"} for job in jobs):
            return jobs
        assert runner.work()
    pytest.fail(f"never ended: {jobs}")


def items_of(repository, job: Job) -> list[dict]:
    """Return a job's results, decoded."""
    return [json.loads(line) for line in b"".join(repository.results(job)).splitlines()]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_does_not_affect_other_jobs(
    runner, jobs_repository, jobs_store, submit, request_, tmp_path, name
) -> None:
    """An odd file's rows are refused or its job fails with a reason; the same worker then completes the next job."""
    odd = ODD[name]
    submit("1", odd.kind, content_of(odd, tmp_path))
    submit("2", "ndjson", json.dumps(request_).encode())
    bad, good = finish(runner, jobs_repository, "1", "2")
    assert (good.state, good.done, good.failed) == ("done", 1, 0)
    if odd.said:
        problem = json.dumps([bad.problem.detail, *(each.detail for each in bad.problem.errors)])
        assert (bad.state, odd.said in problem, bad.problem.status < 500) == ("failed", True, True), problem
    else:
        assert bad.problem is None, bad.problem
        items = items_of(jobs_repository, bad)
        statuses = [item["status"] for item in items]
        assert (statuses, bad.rows) == (odd.statuses, len(odd.statuses)), items
        for pointer in odd.pointers:
            assert pointer in {error["pointer"] for error in items[0]["problem"]["errors"]}
    while jobs_repository.tidy():  # delete the rest of a large file
        pass
    assert (jobs_store.keys("in/"), jobs_store.keys("open/")) == ([], [])


@pytest.mark.parametrize("cut", [8, 100, 300, -1, -8, -40])
def test_a_truncated_parquet_file_fails_its_job(runner, jobs_repository, submit, tmp_path, cut) -> None:
    """A Parquet file that is cut at any place fails its job."""
    whole = content_of(Odd("parquet", row(age_years="1") + " FROM range(10)"), tmp_path)
    submit("1", "parquet", whole[:cut])
    (job,) = finish(runner, jobs_repository, "1")
    assert (job.state, job.problem.status) == ("failed", 422)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_parquet_file_ends_its_job(runner, jobs_repository, submit, tmp_path, seed) -> None:
    """A Parquet file in which any one byte has changed ends its job."""
    damaged = bytearray(content_of(Odd("parquet", row(age_years="range") + " FROM range(1000)"), tmp_path))
    for turn in range(4):
        damaged[zlib.crc32(b"%d %d" % (seed, turn)) % len(damaged)] ^= 1 << (seed + turn) % 8
    submit("1", "parquet", bytes(damaged))
    finish(runner, jobs_repository, "1")


def test_an_encrypted_parquet_file_fails_its_job(runner, jobs_repository, submit, tmp_path) -> None:
    """The problem of an encrypted file says that the file can't be read."""
    path = tmp_path / "made.parquet"
    with duckdb.connect() as base:
        base.execute("SET force_mbedtls_unsafe = 'true'")
        base.execute("PRAGMA add_parquet_key('k', '0123456789012345')")
        base.execute(f"COPY ({row(age_years='1')}) TO '{path}' (FORMAT parquet, ENCRYPTION_CONFIG {{footer_key: 'k'}})")
    submit("1", "parquet", path.read_bytes())
    (job,) = finish(runner, jobs_repository, "1")
    assert (job.state, job.problem.status) == ("failed", 422)
    assert "encrypted" in job.problem.errors[0].detail


def test_a_missing_value_may_be_written_as_nan(runner, jobs_repository, submit, service, tmp_path) -> None:
    """A row of features gets the same answer with NaN, as pandas writes it, and with null."""
    names = service.names()
    for name, made in (("1", "NULL::DOUBLE"), ("2", "'nan'::DOUBLE")):
        features = row(**(dict.fromkeys(names, "1.0") | {names[0]: made}))
        submit(name, "parquet", content_of(Odd("parquet", features), tmp_path))
    null, nan = (items_of(jobs_repository, job)[0] for job in finish(runner, jobs_repository, "1", "2"))
    assert (null["status"], nan["status"]) == (200, 200)
    assert null["answer"]["probability"] == nan["answer"]["probability"]
