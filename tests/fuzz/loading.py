"""Reads odd files with one reader: `python -m tests.fuzz.loading READER BUNDLE FOLDER COUNT`; prints a summary as JSON.

Each file must be read, or refused by a declared error, within SECONDS; everything else is a fault. The memory of the
process is bounded, so that reading an endless file is a fault too.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final, NamedTuple

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.tokens.keys import KeysUnreadable
from tests.fuzz.files import PLACES, SECRET, changed

ROOT: Final = Path(__file__).parent.parent.parent
SECONDS: Final = 60
MEMORY: Final = 2 << 30  # bytes beyond those in use at the start


class Reader(NamedTuple):
    """Reads one kind of file in a folder. `valid` are files that it can read, by name.

    `sealed` changes the hashes in the folder to those of the changed files.
    """

    read: Callable[[Path], object]
    valid: dict[str, bytes]
    sealed: Callable[[Path], None] = lambda _: None


def _settings(_: Path, __: Path) -> Reader:
    from customer_risk.serving.settings import load_settings

    text = (ROOT / "docs" / "reference" / "settings.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    return Reader(lambda place: load_settings(place / "file.yaml", server={}), {"file.yaml": text.encode()})


def _batch(_: Path, folder: Path) -> Reader:
    from customer_risk.serving.bulk.tables.settings import load_settings

    place = f"{{type: folder, path: {folder}}}"
    text = f"name: n\nrun: 2026-01-05\ninput: {place}\noutput: {place}\n"
    return Reader(lambda place: load_settings(place / "file.yaml"), {"file.yaml": text.encode()})


def _configuration(_: Path, __: Path) -> Reader:
    from customer_risk.model.config import load_config

    return Reader(
        lambda place: load_config(place / "file.yaml"), {"file.yaml": (ROOT / "model" / "defaults.yaml").read_bytes()}
    )


def _mapping(_: Path, __: Path) -> Reader:
    from customer_risk.model.tables.mapping import load_mapping

    text = b"users:\n  files: {labelled: u}\n  columns: {customer_id: id}\n  values: {kyc_state: {COMPLETED: [ok]}}\n"
    return Reader(lambda place: load_mapping(place / "file.yaml"), {"file.yaml": text})


def _rules(_: Path, __: Path) -> Reader:
    from customer_risk.serving.decisions.fallback.ruleset import load_rules

    content = (ROOT / "serving" / "decisions" / "fallback" / "defaults.yaml").read_bytes()
    return Reader(lambda place: load_rules(place / "file.yaml"), {"file.yaml": content})


def _keys(_: Path, __: Path) -> Reader:
    from customer_risk.model.tokens.keys import parse
    from customer_risk.serving.auth.jwks import fetch
    from customer_risk.serving.auth.settings import AuthSettings
    from tests.system.issuer import Issuer

    issuer = Issuer()

    def read(place: Path) -> object:
        settings = msgspec.convert(issuer.settings(str(place / "jwks.json")), AuthSettings)
        return parse(asyncio.run(fetch(settings)), settings.algorithms)

    return Reader(read, {"jwks.json": issuer.jwks.encode()})


def _bundle(bundle: Path, _: Path) -> Reader:
    from customer_risk.model.scoring import bundle as bundles
    from customer_risk.serving.decisions.verification import load_verified

    manifest = msgspec.json.decode((bundle / bundles.MANIFEST).read_bytes(), type=bundles.Manifest)

    def sealed(place: Path) -> None:
        with contextlib.suppress(OSError, CustomerRiskError, msgspec.DecodeError, UnicodeDecodeError):
            kept = (place / bundles.MANIFEST).read_bytes()
            given = msgspec.json.decode(kept, type=bundles.Manifest) if kept else manifest
            contents = {name: (place / name).read_bytes() for name in bundles.FILES}
            shutil.rmtree(place)
            bundles.write_bundle(place, given, contents)

    return Reader(
        lambda place: load_verified(place).resamples,
        {name: (bundle / name).read_bytes() for name in (*bundles.FILES, bundles.MANIFEST)},
        sealed,
    )


def _tables(suffix: str) -> Callable[[Path, Path], Reader]:
    def make(_: Path, folder: Path) -> Reader:
        from customer_risk.model.tables.reading import read_cohort
        from customer_risk.model.tables.synthetic import synthesize

        synthesize(folder / "tables", customers=20, seed=7, risk_rate=0.15, format=suffix)
        names = [f"{kind}_labelled.{suffix}" for kind in ("users", "transactions")]
        return Reader(
            lambda place: read_cohort(place, "labelled"),
            {name: (folder / "tables" / name).read_bytes()[: 100_000 if suffix == "csv" else None] for name in names},
        )

    return make


def _list(suffix: str) -> Callable[[Path, Path], Reader]:
    def make(bundle: Path, folder: Path) -> Reader:
        import polars as pl

        from customer_risk.model.config import load_config
        from customer_risk.model.offboarding.people import Person
        from customer_risk.model.offboarding.scored import score_cohort
        from customer_risk.model.offboarding.scoring_run import write_run
        from customer_risk.model.offboarding.signing import sign
        from customer_risk.model.offboarding.spreadsheet import csv_bytes
        from customer_risk.model.scoring.bundle import load_bundle, make_scorer
        from customer_risk.model.scoring.segments import Thresholds
        from customer_risk.model.tables.cleaning import load_cohort
        from customer_risk.model.tables.synthetic import synthesize

        synthesize(folder / "tables", customers=400, seed=7, risk_rate=0.15)
        cohort, rules = load_cohort(folder / "tables", "unlabelled"), load_config().corroboration
        loaded = load_bundle(bundle)
        eager = msgspec.structs.replace(loaded.manifest, thresholds=Thresholds(medium=0.01, high=0.02))
        loaded = dataclasses.replace(loaded, manifest=eager, scorer=make_scorer(loaded.trees, eager))
        scored = score_cohort(loaded, cohort, rules)  # with these thresholds it proposes somebody
        made_at = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
        hashes = {"users_unlabelled.csv": "0" * 64}
        write_run(folder / "run", scored, tables=hashes, cohort="unlabelled", made_at=made_at)
        said = {"decision": "keep", "name": "Ann Example", "date": "2026-01-06", "note": "Spoke with the customer"}
        filled = pl.read_parquet(folder / "run" / "offboarding.parquet").with_columns(
            **{name: pl.lit(value) for name, value in said.items()}
        )
        if suffix == "parquet":
            filled.write_parquet(folder / "filled.parquet")
        else:
            (folder / "filled.csv").write_bytes(csv_bytes(filled))
        now, signed = datetime(2026, 1, 7, tzinfo=UTC), folder / "signed"

        def read(place: Path) -> object:
            shutil.rmtree(signed, ignore_errors=True)
            return sign(place / f"list.{suffix}", folder / "run", signed, now=now, by=Person("registrar"))

        return Reader(read, {f"list.{suffix}": (folder / f"filled.{suffix}").read_bytes()})

    return make


def _job(suffix: str) -> Callable[[Path, Path], Reader]:
    def make(_: Path, folder: Path) -> Reader:
        import duckdb

        from customer_risk.serving.bulk.jobs.factory import open_file
        from customer_risk.serving.bulk.jobs.types import Job, JobSettings

        job = Job(job_id="", caller="", explain=False, format=suffix, pieces=1, rows=None, created=0, expires=1)
        rows = [b'c-%d,%d.5,"{""customer_id"": ""c""}"\n' % (number, number) for number in range(20)]
        csv = b"customer_id,in_sum,request\n" + b"".join(rows)
        path = folder / "input.parquet"
        if suffix == "parquet":
            duckdb.sql("SELECT 'c' || i AS customer_id, i * 0.5 AS in_sum FROM range(50) t(i)").write_parquet(str(path))

        def read(place: Path) -> object:
            content = (place / f"input.{suffix}").read_bytes()
            reader = open_file(job, lambda: [content], JobSettings())
            try:
                return list(iter(reader.read, None))
            finally:
                reader.close()

        return Reader(read, {f"input.{suffix}": csv if suffix == "csv" else path.read_bytes()})

    return make


READERS: Final[dict[str, Callable[[Path, Path], Reader]]] = {
    "settings": _settings,
    "batch": _batch,
    "configuration": _configuration,
    "mapping": _mapping,
    "rules": _rules,
    "keys": _keys,
    "bundle": _bundle,
    "tables-csv": _tables("csv"),
    "tables-parquet": _tables("parquet"),
    "list-csv": _list("csv"),
    "list-parquet": _list("parquet"),
    "job-csv": _job("csv"),
    "job-parquet": _job("parquet"),
}
NO_PLACES: Final = ("job-csv", "job-parquet")  # these files come over HTTP
NAMES_COLUMNS: Final = ("tables-csv", "tables-parquet")  # an error of these readers names the file's columns


class _TooLong(BaseException):
    """A reader has taken longer than SECONDS."""


def main() -> None:
    """Read odd files; print how many were read or refused, and the faults."""
    name, bundle, folder, count = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    reader = READERS[name](bundle, folder)
    signal.signal(signal.SIGALRM, _give_up)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    for place, what in _cases(name, reader, folder, count):
        outcome = _outcome(reader, place, secret="link to another" in what and name not in NAMES_COLUMNS)
        outcomes["fault" if outcome else "judged"] += 1
        if outcome:
            faults.append(f"{what}: {outcome}")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "faults": faults}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a thread that still waits for a file would keep the process alive


def _cases(name: str, reader: Reader, folder: Path, count: int) -> Iterator[tuple[Path, str]]:
    """Yield folders of files with a description of what is odd in each; before that, read the valid files."""
    place = folder / "place"
    _write(place, reader.valid)
    reader.sealed(place)
    reader.read(place)
    bound = MEMORY + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    chance = Random(name)  # noqa: S311  not for secrets
    for number in range(count):
        which = chance.choice(list(reader.valid))
        content = changed(chance, reader.valid[which])
        _write(place, reader.valid | {which: content})
        if chance.random() < 0.9:
            reader.sealed(place)
        yield place, f"{which}, number {number}: {content[:60]!r}"
    secret = folder / "secret"
    secret.write_bytes(SECRET)
    for which in reader.valid if name not in NO_PLACES else ():
        for kind, make in PLACES.items():
            _write(place, reader.valid)
            (place / which).unlink()
            make(place / which, secret)
            yield place, f"{which}, a {kind}"


def _write(place: Path, contents: dict[str, bytes]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, content in contents.items():
        (place / name).write_bytes(content)


def _outcome(reader: Reader, place: Path, *, secret: bool) -> str:
    """Read a folder; return what is wrong, "" if it was read or refused by a declared error."""
    signal.alarm(SECONDS)
    try:
        reader.read(place)
    except (CustomerRiskError, KeysUnreadable) as error:
        return f"the error repeats another file's content: {error}" if secret and SECRET.decode() in str(error) else ""
    except BaseException as error:  # noqa: BLE001  every other error is a fault
        signal.alarm(0)
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.alarm(0)
    return ""


def _give_up(_: int, __: FrameType | None) -> Any:
    signal.alarm(SECONDS)  # a thread that waits may need a second signal
    raise _TooLong


if __name__ == "__main__":
    main()
