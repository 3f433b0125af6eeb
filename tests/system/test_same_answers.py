"""One customer, every way in: the command, HTTP, batches, jobs, V1, V2 and gRPC answer alike, to the bit.

The rows, columns and features of a customer stand in different orders and in different forms of time, as callers would
send them; what comes back must be what the tables give offline.
"""

from __future__ import annotations

import csv
import io
import json
import math
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import grpc
import httpx2
import msgspec
import numpy as np
import polars as pl
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.model.features import catalogue
from customer_risk.model.features.columns import Person
from customer_risk.model.features.frame import encode_frame, feature_table
from customer_risk.model.scoring.bundle import Bundle, load_bundle
from customer_risk.model.scoring.reasons import top_reasons
from customer_risk.model.tables.cleaning import load_cohort
from tests.system.asking import PATIENCE, Heeding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from customer_risk.model.patterns.found_pattern import FoundPattern

pytestmark = pytest.mark.system

MOST = 300  # customers of a cohort, within what one call may be about
JOBS = "/ai/v1/risk/jobs"
INFER = "/v2/models/customer-risk/infer"
DECIDED = ("probability", "segment", "action")
OF_THE_CALL = {"decision_id", "decided_at", "warnings"}  # these may differ from one call to the next


@dataclass(frozen=True)
class Material:
    """A cohort in every form that callers send: each list has one item for each customer, in the order of `ids`.

    `expected` are the answers to transactions, `of_features` those to features, which have no patterns.
    """

    ids: list[str]
    rows: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    features: list[dict[str, Any]]
    values: np.ndarray
    names: list[str]
    nested: pl.DataFrame
    expected: list[dict[str, Any]]
    of_features: list[dict[str, Any]]

    def answers(self, way: str) -> list[dict[str, Any]]:
        """Return the answers that every entrance must give."""
        return self.of_features if "features" in way else self.expected


class Ways:
    """The server's entrances; each returns the answers in the customers' order."""

    def __init__(self, url: str, grpc_port: int) -> None:
        self._http = httpx2.Client(base_url=url, timeout=PATIENCE, transport=Heeding())
        self._grpc_port = grpc_port

    def close(self) -> None:
        """Ask no more."""
        self._http.close()

    def post(self, path: str, **options: Any) -> httpx2.Response:
        """POST a document that is accepted."""
        response = self._http.post(path, **options)
        assert response.is_success, response.text[:500]
        return response

    def singly(self, requests: list[dict[str, Any]]) -> list[Any]:
        """Send one request for each customer."""
        return [self.post("/ai/v1/risk", json=request).json() for request in requests]

    def batch(self, requests: list[dict[str, Any]]) -> list[Any]:
        """Send all customers as one batch."""
        items = self.post("/ai/v1/risk:batch", json={"requests": requests}).json()["items"]
        return [item["answer"] for item in items]

    def job(self, content: bytes, media_type: str, *, parquet: bool = False) -> list[Any]:
        """Submit a job, wait for its end, and fetch the results."""
        job = self.post(JOBS, content=content, headers={"content-type": media_type}).json()["job_id"]
        deadline = time.monotonic() + PATIENCE
        while (shown := self._http.get(f"{JOBS}/{job}").json())["state"] in {"queued", "running"}:
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        assert (shown["state"], shown["failed"]) == ("done", 0)
        results = self._http.get(f"{JOBS}/{job}/results", params={"format": "parquet"} if parquet else None)
        assert results.is_success
        if parquet:
            return pl.read_parquet(io.BytesIO(results.content))["answer"].to_list()
        return [json.loads(line)["answer"] for line in results.text.splitlines()]

    def v1(self, requests: list[dict[str, Any]]) -> list[Any]:
        """Send all customers by V1."""
        return self.post("/v1/models/customer-risk:predict", json={"instances": requests}).json()["predictions"]

    def v2(self, inputs: list[dict[str, Any]]) -> list[Any]:
        """Send all customers by V2 in JSON."""
        outputs = {
            output["name"]: output["data"] for output in self.post(INFER, json={"inputs": inputs}).json()["outputs"]
        }
        return _agreed(outputs)

    def grpc(self, request: pb.ModelInferRequest) -> list[Any]:
        """Send all customers by V2 over gRPC."""
        with grpc.insecure_channel(f"127.0.0.1:{self._grpc_port}") as channel:
            response = stubs.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
        outputs: dict[str, list[Any]] = {}
        for place, output in enumerate(response.outputs):
            if response.raw_output_contents:
                outputs[output.name] = _unpacked(response.raw_output_contents[place], output.datatype)
            elif output.datatype == "FP64":
                outputs[output.name] = list(output.contents.fp64_contents)
            else:
                outputs[output.name] = [text.decode() for text in output.contents.bytes_contents]
        return _agreed(outputs)


def _agreed(outputs: dict[str, list[Any]]) -> list[Any]:
    """Return the whole answers, which must agree with the other tensors."""
    answers = [json.loads(text) for text in outputs["answer"]]
    for name in DECIDED:
        assert [_bits(answer[name]) for answer in answers] == [_bits(each) for each in outputs[name]], name
    return answers


def _packed(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _unpacked(raw: bytes, datatype: str) -> list[Any]:
    if datatype == "FP64":
        return [value for (value,) in struct.iter_unpack("<d", raw)]
    texts = []
    while raw:
        end = 4 + struct.unpack_from("<I", raw)[0]
        texts.append(raw[4:end].decode())
        raw = raw[end:]
    return texts


def _json(requests: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(request).encode() for request in requests]


def _csv(header: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _csv_of_features(material: Material) -> bytes:
    rows = [[each["customer_id"], *each["features"].values()] for each in material.features]  # None is an empty cell
    return _csv(["customer_id", *material.names], rows)


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def _parquet_of_features(material: Material) -> bytes:
    return _parquet(
        pl.DataFrame({"customer_id": material.ids})
        .hstack(pl.DataFrame(material.values, schema=material.names, orient="row"))
        .fill_nan(None)
    )


def _people(material: Material) -> dict[str, Any]:
    return {"name": "customer_id", "datatype": "BYTES", "shape": [len(material.ids)], "data": material.ids}


def _v2_requests(material: Material) -> list[dict[str, Any]]:
    texts = [json.dumps(each) for each in material.rows]
    return [{"name": "request", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]


def _v2_features(material: Material) -> list[dict[str, Any]]:
    data = [list(each["features"].values()) for each in material.features]
    shape = list(material.values.shape)
    return [_people(material), {"name": "features", "datatype": "FP64", "shape": shape, "data": data}]


def _v2_by_name(material: Material) -> list[dict[str, Any]]:
    tensors = [
        {
            "name": name,
            "datatype": "FP64",
            "shape": [len(material.ids)],
            "data": [f["features"][name] for f in material.features],
        }
        for name in reversed(material.names)
    ]
    return [*tensors, _people(material)]


def _grpc_requests(material: Material, *, raw: bool) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="customer-risk")
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[len(material.ids)])
    if raw:
        request.raw_input_contents.append(_packed(_json(material.columns)))
    else:
        tensor.contents.bytes_contents.extend(_json(material.rows))
    return request


def _grpc_features(material: Material, *, raw: bool) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="customer-risk")
    ids = [each.encode() for each in material.ids]
    people = request.inputs.add(name="customer_id", datatype="BYTES", shape=[len(ids)])
    tensor = request.inputs.add(name="features", datatype="FP64", shape=material.values.shape)
    if raw:
        request.raw_input_contents.extend([_packed(ids), material.values.astype("<f8").tobytes()])
    else:
        people.contents.bytes_contents.extend(ids)
        tensor.contents.fp64_contents.extend(material.values.ravel())
    return request


NDJSON, CSV, PARQUET = "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"
WAYS: dict[str, Callable[[Ways, Material], list[Any]]] = {
    "one by one, rows": lambda ways, of: ways.singly(of.rows),
    "one by one, columns": lambda ways, of: ways.singly(of.columns),
    "one by one, features": lambda ways, of: ways.singly(of.features),
    "batch, rows": lambda ways, of: ways.batch(of.rows),
    "batch, columns": lambda ways, of: ways.batch(of.columns),
    "batch, features": lambda ways, of: ways.batch(of.features),
    "job, NDJSON of rows": lambda ways, of: ways.job(b"\n".join(_json(of.rows)), NDJSON),
    "job, NDJSON of columns": lambda ways, of: ways.job(b"\n".join(_json(of.columns)), NDJSON),
    "job, NDJSON of features": lambda ways, of: ways.job(b"\n".join(_json(of.features)), NDJSON),
    "job, CSV of requests": lambda ways, of: ways.job(_csv(["request"], [[json.dumps(r)] for r in of.rows]), CSV),
    "job, CSV of features": lambda ways, of: ways.job(_csv_of_features(of), CSV),
    "job, Parquet of requests": lambda ways, of: ways.job(_parquet(of.nested), PARQUET),
    "job, Parquet of features": lambda ways, of: ways.job(_parquet_of_features(of), PARQUET),
    "job, results as Parquet": lambda ways, of: ways.job(b"\n".join(_json(of.rows)), NDJSON, parquet=True),
    "V1, rows": lambda ways, of: ways.v1(of.rows),
    "V1, columns": lambda ways, of: ways.v1(of.columns),
    "V1, features": lambda ways, of: ways.v1(of.features),
    "V2, requests": lambda ways, of: ways.v2(_v2_requests(of)),
    "V2, features": lambda ways, of: ways.v2(_v2_features(of)),
    "V2, features by name": lambda ways, of: ways.v2(_v2_by_name(of)),
    "gRPC, requests": lambda ways, of: ways.grpc(_grpc_requests(of, raw=False)),
    "gRPC, raw requests in columns": lambda ways, of: ways.grpc(_grpc_requests(of, raw=True)),
    "gRPC, features": lambda ways, of: ways.grpc(_grpc_features(of, raw=False)),
    "gRPC, raw features": lambda ways, of: ways.grpc(_grpc_features(of, raw=True)),
}


def _bits(value: Any) -> Any:
    """Replace every number by its bits, so that equality is exact: 0.0 isn't -0.0, and 1 is 1.0."""
    if isinstance(value, dict):
        return {name: _bits(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bits(each) for each in value]
    return struct.pack("<d", value) if isinstance(value, int | float) else value


def _differing(answers: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return the index and the field of each difference, so that the output has no real customers."""
    assert len(answers) == len(expected)
    found = []
    for place, (answer, wanted) in enumerate(zip(answers, expected, strict=True)):
        kept = {name: each for name, each in answer.items() if name not in OF_THE_CALL}
        found += [
            (place, name)
            for name in sorted(kept.keys() | wanted.keys())
            if _bits(kept.get(name, "absent")) != _bits(wanted.get(name, "absent"))
        ]
    return found


@pytest.fixture(scope="module")
def ways(start, command, bundle, tmp_path_factory) -> Iterator[Ways]:
    """A server with gRPC beside HTTP, ready."""
    folder = tmp_path_factory.mktemp("ways")
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    settings = {"run_folder": str(folder / "run"), "grpc": {"enabled": True, "port": grpc_port}}
    (folder / "serving.yaml").write_text(json.dumps(settings))  # JSON is YAML too
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    asking = Ways(f"http://127.0.0.1:{server.port}", grpc_port)
    yield asking
    asking.close()


@pytest.fixture(scope="module", params=["synthetic", "hometask"])
def material(request, command, bundle, tmp_path_factory) -> Material:
    """The unlabelled customers of synthetic and of the real tables, with the answers of the command and the scorer."""
    tables = request.getfixturevalue(request.param)  # absent real tables skip
    return _material(bundle, tables, _scored(command, bundle, tables, tmp_path_factory.mktemp("scored") / "run"))


def _scored(command: Path, bundle: Path, tables: Path, out: Path) -> pl.DataFrame:
    """Score with the command; its CSV and its Parquet are equal."""
    done = subprocess.run([command, "score", bundle, tables, "--out", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = pl.read_parquet(out / "scores.parquet")
    with (out / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        written = [(row["customer_id"], float(row["probability"]), row["reasons"]) for row in csv.DictReader(file)]
    assert written == scores.select("customer_id", "probability", "reasons").rows()
    return scores


def _material(folder: Path, tables: Path, scores: pl.DataFrame) -> Material:
    bundle = load_bundle(folder)
    manifest = bundle.manifest
    cohort = load_cohort(tables, "unlabelled")
    people = cohort.customers.head(MOST)
    table = feature_table(people, cohort.events, manifest.settings.for_kernel()).select(manifest.features)
    scored = bundle.scorer.score(table.values)
    found = _patterns(bundle, people, cohort.events)
    features = [catalogue.BY_NAME[name] for name in manifest.features]
    by_id = {row["customer_id"]: row for row in scores.iter_rows(named=True)}
    profiles = people.select(name for name in Person._fields if name in people.columns)
    events = cohort.events.drop("customer_id").columns
    histories = cohort.events.partition_by("customer_id", as_dict=True)
    rows, columns, given, expected, of_features = [], [], [], [], []
    nested: list[list[dict[str, Any]]] = []
    for place, profile in enumerate(profiles.iter_rows(named=True)):
        who = table.ids[place]
        history = histories[(who,)].select(events) if (who,) in histories else cohort.events.select(events).clear()
        asked = {"customer_id": who, "profile": _dated(profile), "history_complete": True}
        nested.append(history.rows(named=True))
        rows.append(asked | {"transactions": _timed(history, "%Y-%m-%dT%H:%M:%S%.6fZ").rows(named=True)})
        backwards = _timed(history.reverse(), "%Y-%m-%d %H:%M:%S%.6f UTC").to_dict(as_series=False)
        columns.append(asked | {"transactions": backwards})
        values = [None if math.isnan(value) else value for value in table.values[place].tolist()]
        given.append({"customer_id": who, "features": dict(zip(table.names, values, strict=True))})
        reasons = top_reasons(table.values[place], scored.contributions[place], features, segment=scored.segment[place])
        row = by_id[who]
        assert row["reasons"] == "; ".join(reason.code for reason in reasons), f"reasons of customer {place}"
        assert _bits(row["probability"]) == _bits(float(scored.probability[place])), f"probability of customer {place}"
        patterns = found[place]
        assert row["action"] == bundle.scorer.action(row["segment"], patterns), f"action of customer {place}"
        assert row["patterns"] == "; ".join(pattern.code for pattern in patterns), f"patterns of customer {place}"
        answer = (
            {name: row[name] for name in ("customer_id", "probability", "segment")}
            | {"reasons": [_fields(reason) for reason in reasons], "source": "model"}
            | {"model": {"name": manifest.name, "version": row["model_version"]}}
        )
        for answers, seen in ((expected, patterns), (of_features, None)):
            told = None if seen is None else msgspec.to_builtins(seen)
            answers.append(answer | {"action": bundle.scorer.action(row["segment"], seen), "patterns": told})
    frame = pl.DataFrame(
        {"customer_id": list(table.ids), "history_complete": True, "profile": profiles.to_struct()}
    ).with_columns(pl.Series("transactions", nested, dtype=pl.List(pl.Struct(cohort.events.select(events).schema))))
    return Material(
        list(table.ids), rows, columns, given, table.values, list(table.names), frame, expected, of_features
    )


def _patterns(bundle: Bundle, people: pl.DataFrame, events: pl.DataFrame) -> list[tuple[FoundPattern, ...]]:
    """The patterns that are found when all customers are searched at once, in the order of their table."""
    finder = bundle.finder()
    found = finder.find(encode_frame(people, events))
    return [finder.found(*each) for each in zip(found.figures, found.times, strict=True)]


def _dated(profile: dict[str, Any]) -> dict[str, Any]:
    born = profile.get("date_of_birth")
    return profile | {"date_of_birth": born and born.isoformat()}


def _timed(history: pl.DataFrame, form: str) -> pl.DataFrame:
    return history.with_columns(pl.col("created_at", "completed_at").dt.strftime(form))


def _fields(reason: Any) -> dict[str, Any]:
    return {name: getattr(reason, name) for name in reason.__struct_fields__}


def test_the_cohort_is_large_and_varied(material) -> None:
    """The cohort has at least a hundred customers, with many probabilities, segments and reasons."""
    assert len(material.ids) >= 100
    assert len({each["probability"] for each in material.expected}) > 30
    assert len({each["segment"] for each in material.expected}) > 1
    assert len({reason["code"] for each in material.expected for reason in each["reasons"]}) > 4
    assert any(not each["transactions"] for each in material.rows)


@pytest.mark.parametrize("way", WAYS)
def test_every_entrance_answers_like_the_command(ways, material, way) -> None:
    """Probability, segment, action, reasons and patterns have the same bits online and offline in every form."""
    assert _differing(WAYS[way](ways, material), material.answers(way)) == []


@pytest.mark.parametrize("way", [way for way in WAYS if way.endswith(("requests", "NDJSON of rows", "V1, rows"))])
def test_the_same_rows_get_the_same_warnings(ways, material, way) -> None:
    """Rows get the same warnings, including pointers, at every entrance."""
    wanted, got = (
        [each["warnings"] for each in answers] for answers in (ways.batch(material.rows), WAYS[way](ways, material))
    )
    assert [place for place, (one, other) in enumerate(zip(wanted, got, strict=True)) if one != other] == []


@pytest.mark.parametrize("name", ["probability", "contribution", "value", "share"])
def test_a_difference_of_one_bit_is_found(ways, material, name) -> None:
    """A difference of one unit in the last place counts as a difference."""
    answers = ways.batch(material.rows[:20])
    place = next(i for i, each in enumerate(answers) if name in each or each["reasons"][0][name] is not None)
    holder = answers[place] if name == "probability" else answers[place]["reasons"][0]
    holder[name] = math.nextafter(holder[name], math.inf)
    found = _differing(answers, material.expected[:20])
    assert list(map(itemgetter(0), found)) == [place]
