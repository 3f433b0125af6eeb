"""Every path is read and written literally, never as a pattern that matches other files."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError, TableMissing
from customer_risk.model.files import read_text
from customer_risk.model.google_cloud.bucket import Bucket, Stored
from customer_risk.model.offboarding.scoring import score as score_tables
from customer_risk.model.offboarding.spreadsheet import read_sheet
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.reading import available_columns
from customer_risk.model.tables.storage import columns, fetch, save
from customer_risk.serving.audit.records import place_at
from customer_risk.serving.bulk.forms import Kind
from customer_risk.serving.bulk.jobs.parquet import ParquetReader, to_parquet
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import DUCKDB, request_of
from customer_risk.serving.bulk.tables.inputs.folder import FolderSource
from customer_risk.serving.bulk.tables.inputs.gcs import GcsSource
from customer_risk.serving.bulk.tables.inputs.parquet import opened
from customer_risk.serving.bulk.tables.inputs.settings import GcsInput
from customer_risk.serving.bulk.tables.outputs.factory import open_output
from customer_risk.serving.bulk.tables.outputs.objects import _counted, _parquet
from customer_risk.serving.bulk.tables.outputs.settings import FolderOutput
from customer_risk.serving.contract.sql import identifier, literal, pattern_of
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.shipper.progress import Progress, read_end
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.store.file import FileStore

if TYPE_CHECKING:
    from collections.abc import Callable


class Hostile(NamedTuple):
    """A name, and the name of another file that it would match as a pattern."""

    name: str
    decoy: str


NAMES = (
    Hostile("a[1]", "a1"),
    Hostile("a[!b]", "ac"),
    Hostile("a[[]", "a["),
    Hostile("a?", "ab"),
    Hostile("a*", "abc"),
    Hostile("a**", "abc"),
    Hostile("*", "abc"),
    Hostile("a{1,2}", "a1"),
    Hostile("it's", "its"),
    Hostile('a"b', "ab"),
    Hostile("a b", "ab"),
    Hostile("a%5B1", "a[1"),
    Hostile("a#b", "a"),
    Hostile("-a", "a"),
    Hostile("a\nb", "a"),
    Hostile("a\\b", "ab"),
    Hostile("a\\[1]", "a[1]"),
    Hostile("a\\*", "a*"),
    Hostile("~", "home"),
    Hostile("day=1", "day"),
    Hostile("$HOME", "home"),
    Hostile("file:a", "a"),
    Hostile("é[1]", "é1"),
)
each_name = pytest.mark.parametrize("hostile", NAMES, ids=lambda hostile: repr(hostile.name))
# Entrances that read with Python's own `open` are held to fewer names: none of them knows patterns.
some_names = pytest.mark.parametrize("hostile", NAMES[:5] + NAMES[8:9], ids=lambda hostile: repr(hostile.name))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one, so that paths can be relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def temporary(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Hostile], None]:
    """Put temporary files into a folder of a hostile name."""

    def use(hostile: Hostile) -> None:
        for name in hostile:
            (here / name).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(here / hostile.name))

    return use


def _parquet_bytes(**values: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(values).write_parquet(buffer)
    return buffer.getvalue()


def _content(suffix: str, text: str) -> bytes:
    return f"user_id\n{text}\n".encode() if suffix == "csv" else _parquet_bytes(user_id=[text])


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@each_name
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_table_is_the_file_that_the_mapping_names(here, hostile, suffix, absolute) -> None:
    """A table's file and folder are found by their names, beside others that the names would match."""
    for wanted, name in zip(("right", "decoy"), hostile, strict=True):
        _put(here / f"{name}.{suffix}", _content(suffix, wanted))
        _put(here / name / f"users.{suffix}", _content(suffix, wanted))
    folder = here if absolute else Path()
    assert fetch(folder, hostile.name).frame["user_id"].to_list() == ["right"]
    assert fetch(folder / hostile.name, "users").frame["user_id"].to_list() == ["right"]
    assert columns(folder / hostile.name, "users") == ("user_id",)


@each_name
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_that_is_not_there_is_missing(here, hostile, suffix) -> None:
    """A table whose name would match another file is missing."""
    _put(here / f"{hostile.decoy}.{suffix}", _content(suffix, "decoy"))
    with pytest.raises(TableMissing, match="has neither"):
        fetch(here, hostile.name)


@each_name
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_written_where_the_option_says(here, hostile, suffix) -> None:
    """`check --out` and `synth` write only the named file."""
    Path(hostile.name).mkdir()
    save(pl.DataFrame({"user_id": ["right"]}), Path(hostile.name) / f"{hostile.name}.{suffix}")
    found = [path.relative_to(here) for path in here.rglob("*") if path.is_file()]
    assert found == [Path(hostile.name) / f"{hostile.name}.{suffix}"]


@some_names
def test_check_reads_the_folder_that_it_is_given(here, hostile, synthetic) -> None:
    """`check` reads the tables of the named folder, beside an empty folder that the name would match."""
    from customer_risk.model.cli.main import customer_risk

    shutil.copytree(synthetic, here / hostile.name)
    (here / hostile.decoy).mkdir()
    done = CliRunner().invoke(customer_risk, ["check", "--", hostile.name], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_a_mapped_file_of_a_browsers_second_download_is_read(here, synthetic) -> None:
    """Files named `users_unlabelled[1]` by a mapping are read, for the columns that training looks for too."""
    mapping = Mapping.from_dict({"users": {"files": {"unlabelled": "users_unlabelled[1]"}}})
    shutil.copytree(synthetic, here / "tables")
    (here / "tables" / "users_unlabelled.csv").rename(here / "tables" / "users_unlabelled[1].csv")
    (here / "tables" / "users_unlabelled1.csv").write_text("decoy\n1\n")
    assert "locale" in available_columns(here / "tables", "unlabelled", mapping)


@pytest.mark.parametrize("hostile", NAMES[:1] + NAMES[3:4], ids=lambda hostile: repr(hostile.name))
def test_scoring_reads_and_writes_the_folders_that_it_is_given(here, hostile, bundle, synthetic) -> None:
    """`score` finds its bundle and its tables and writes its lists under hostile names."""
    for place, source in (("bundles", bundle), ("tables", synthetic)):
        shutil.copytree(source, here / place / hostile.name)
        (here / place / hostile.decoy).mkdir()
    (here / "out").mkdir()
    run = score_tables(
        here / "bundles" / hostile.name,
        here / "tables" / hostile.name,
        here / "out" / hostile.name,
        made_at=datetime(2026, 1, 5, tzinfo=UTC),
    ).run
    assert run.counts["customers"] == 400
    assert (here / "out" / hostile.name / "offboarding.csv").is_file()


@each_name
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_filled_list_is_the_file_that_is_handed_in(here, hostile, suffix) -> None:
    """A signed list is read from its bytes, whatever its name is."""
    path = here / f"{hostile.name}.{suffix}"
    _put(here / f"{hostile.decoy}.{suffix}", _content(suffix, "decoy"))
    _put(path, _content(suffix, "right"))
    assert [row["user_id"] for _, row in read_sheet(path, path.read_bytes()).rows] == ["right"]


@some_names
@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        (load_config, "seed: 5", "seed: no"),
        (load_mapping, "users: {}", "users: 3"),
        (load_rules, None, "rules: 3"),
        (read_text, "right", "\xff"),
    ],
    ids=["config", "mapping", "fallback rules", "text"],
)
def test_settings_are_the_file_that_an_option_names(here, hostile, read, right, wrong) -> None:
    """Settings, mappings and rules are read from the file that is named, beside an unusable one."""
    if right is None:
        defaults = Path(load_rules.__code__.co_filename).with_name("defaults.yaml")
        right = defaults.read_text()
    (here / f"{hostile.decoy}.yaml").write_bytes(wrong.encode("latin-1"))
    (here / f"{hostile.name}.yaml").write_text(right)
    read(Path(f"{hostile.name}.yaml"))


@some_names
def test_a_bundle_is_the_folder_that_is_named(here, hostile, bundle) -> None:
    """A bundle's folder is found by its name, its golden rows included."""
    shutil.copytree(bundle, here / hostile.name)
    (here / hostile.decoy).mkdir()
    assert load_bundle(Path(hostile.name)).version == load_bundle(bundle).version


def _requests(customer: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as base:
        path = Path(folder) / "made.parquet"
        row = f"SELECT '{customer}' AS customer_id, {{'is_pep': true}} AS profile, [{{'id': 't'}}] AS transactions"
        base.execute(f"COPY ({row}) TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def _customers(source: FolderSource) -> list[str]:
    found = []
    for place, _ in enumerate(source.blocks()):
        with source.open(place) as rows:
            found += [json.loads(line)["customer_id"] for some in rows.lines(0) for line in some]
    return found


@each_name
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_a_batch_reads_the_folder_or_file_that_its_input_names(here, hostile, whole) -> None:
    """A batch reads its file, or the files of its folder, beside others that the names would match."""
    for customer, name in zip(("right", "decoy"), hostile, strict=True):
        _put(here / "in" / name / f"{name}.parquet", _requests(customer))
        _put(here / "in" / hostile.name / f"{name}.parquet", _requests(customer))
    if whole:
        (here / "in" / hostile.name / f"{hostile.decoy}.parquet").unlink()
        assert _customers(FolderSource(Path("in") / hostile.name, ())) == ["right"]
    else:
        path = here / "in" / hostile.name / f"{hostile.name}.parquet"
        assert _customers(FolderSource(path, ())) == ["right"]
        path.unlink()
        with pytest.raises(UnusableInput, match="No Parquet file"):
            FolderSource(path, ()).blocks()


def test_a_batch_makes_no_column_of_a_folders_name(here) -> None:
    """A folder `history_complete=false` doesn't change the rows of the files in it."""
    _put(here / "history_complete=false" / "a.parquet", _requests("right"))
    with FolderSource(here, ()).open(0) as rows:
        (line,) = next(rows.lines(0))
    assert "history_complete" not in json.loads(line)


def test_a_file_that_is_gone_is_refused_by_its_name(here) -> None:
    """A batch's file that can't be opened is refused by its name, and no other is read."""
    _put(here / "a1.parquet", _requests("decoy"))
    with (
        pytest.raises(UnusableInput, match=r"gone can't be read: No such file"),
        opened(here / "a[1].parquet", (), "gone"),
    ):
        pass


@pytest.mark.parametrize(("prefix", "read"), [("a.parquet", ["a.parquet"]), ("a", ["a.parquet", "a.parquet.parquet"])])
def test_an_objects_whole_name_means_that_object(monkeypatch, prefix, read) -> None:
    """A prefix that is one object's whole name reads no other object whose name begins with it."""
    stored = [Stored(name, 1, 10) for name in ("a.parquet", "a.parquet.parquet", "a.txt")]
    monkeypatch.setattr(Bucket, "list", lambda _, begin, *__: [each for each in stored if each.name.startswith(begin)])
    source = GcsSource(GcsInput(bucket="bank", prefix=prefix), ())
    assert [block.name for block in source.blocks()] == [f"gs://bank/{name}" for name in read]


@each_name
def test_results_and_records_are_written_into_the_folder_that_is_named(here, hostile) -> None:
    """A batch's results and a record's segments go to the folder that is named, and are listed there alone."""
    for name in hostile:
        (here / name).mkdir()
    (here / hostile.decoy / "run=a").mkdir()
    (here / hostile.decoy / "run=a" / "part-1.parquet").write_bytes(b"decoy")
    output = open_output(FolderOutput(path=hostile.name), "a", "2026-11-21")
    output.check()
    assert output.begin("plan") == {}
    output.finish({"parts": 0})
    assert (here / hostile.name / "run=a" / "summary.json").is_file()
    record = LocalObjects(here / hostile.name)
    record.create(f"{hostile.name}/segment", b"right")
    (here / hostile.name / hostile.decoy).mkdir(exist_ok=True)
    (here / hostile.name / hostile.decoy / "segment").write_bytes(b"decoy")
    assert list(record.list(f"{hostile.name}/")) == [f"{hostile.name}/segment"]
    assert record.get(f"{hostile.name}/segment") == b"right"


def _unusable(hostile: Hostile) -> bool:
    return "\\" in hostile.name and any(mark in hostile.name for mark in "*?[")


@each_name
def test_audit_reads_the_folder_that_from_names(here, hostile) -> None:
    """`audit --from` reads the segments of its folder, and refuses one that isn't there."""
    LocalObjects(here / hostile.decoy).create("decoy", b"")
    with pytest.raises(ConfigError, match="There is no folder"):
        place_at(hostile.name)
    LocalObjects(here / hostile.name).create("right", b"")
    assert list(place_at(hostile.name).objects.list("")) == ["right"]


@each_name
def test_the_store_is_the_file_that_is_named(here, hostile) -> None:
    """Idempotency keys and jobs are kept in the file of `store.path`."""
    store = FileStore(hostile.name)
    store.close()
    assert [path.name for path in here.iterdir()] == [hostile.name]


@each_name
def test_the_shippers_progress_is_kept_in_the_outbox(here, hostile) -> None:
    """A shipper's progress is the file in the outbox's folder, whatever the folder's name is."""
    folder = Path(hostile.name)
    folder.mkdir()
    progress = Progress(folder)
    shipper = progress.shipper
    progress.close()
    assert read_end(folder, "folder")[0] == shipper
    assert [path.name for path in here.iterdir()] == [hostile.name]


@each_name
def test_temporary_files_are_found_whatever_their_folder_is_called(here, hostile, temporary, samples) -> None:
    """A job's input and results, a batch's parts and segments work in any TMPDIR, or say that it can't be used."""
    document = samples.document_of(samples.record(1))
    request = _requests("right")
    temporary(hostile)
    if _unusable(hostile):
        with pytest.raises(ConfigError, match="TMPDIR"):
            Parquet().encode([document])
        return
    segment = Parquet().encode([document])
    assert Parquet().decode(segment) == [document]
    Parquet().check_exact(segment, [document])
    assert Parquet().ids(segment) == [document["decision_id"]]
    with closing(ParquetReader([request], JobSettings())) as reader:
        assert json.loads(reader.read().lines[0])["customer_id"] == "right"
    lines = here / hostile.name / "lines"
    lines.write_text(json.dumps({"plan": "right", "segment": "low"}) + "\n")
    (here / hostile.decoy / "lines").write_text(json.dumps({"plan": "decoy"}) + "\n")
    assert _counted(_parquet(lines)) == [("right", "low", 1)]
    to_parquet([], here / hostile.name / "results.parquet", JobSettings())
    assert (here / hostile.name / "results.parquet").is_file()


@each_name
def test_a_pattern_matches_its_own_path_alone(here, hostile) -> None:
    """DuckDB reads the one file that a path's pattern is made from."""
    for wanted, name in zip(("right", "decoy"), hostile, strict=True):
        _put(here / f"{name}.parquet", _parquet_bytes(user_id=[wanted]))
    path = here / f"{hostile.name}.parquet"
    if _unusable(hostile):
        with pytest.raises(ConfigError, match="backslash"):
            pattern_of(path)
        return
    with duckdb.connect() as base:
        assert base.sql(f"FROM read_parquet({literal(pattern_of(path))})").fetchall() == [("right",)]


@each_name
def test_a_name_in_sql_is_that_name(hostile) -> None:
    """A literal and an identifier have the text that they are made from, in results' columns and batches' too."""
    with duckdb.connect() as base:
        found = base.execute(f"SELECT {literal(hostile.name)} AS {identifier(hostile.name)}")
        assert found.description[0][0] == hostile.name
        assert found.fetchall() == [(hostile.name,)]
        made = request_of({"customer_id": Kind("text"), hostile.name: Kind("integer")}, [hostile.name], DUCKDB, "here")
        base.execute(f"CREATE TABLE one AS SELECT 'c' AS customer_id, 7 AS {identifier(hostile.name)}")
        ((line,),) = base.sql(f"FROM one SELECT {made}").fetchall()
        assert json.loads(line)["features"] == {hostile.name: 7}


def test_another_thread_may_use_a_name_like_a_pattern(here) -> None:
    """Descriptors of two batches at once don't mix their files."""
    for name in ("a[1]", "a1"):
        _put(here / f"{name}.parquet", _requests(name))
    found: dict[str, list[str]] = {}
    threads = [
        threading.Thread(
            target=lambda name=name: found.update({name: _customers(FolderSource(here / f"{name}.parquet", ()))})
        )
        for name in ("a[1]", "a1")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a[1]": ["a[1]"], "a1": ["a1"]}
