"""Fixtures of the audit's tests: two bundles in a registry, and recorded decisions."""

from __future__ import annotations

import dataclasses
import json
import shutil

import msgspec
import numpy as np
import pytest

from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.bundle import FILES, load_bundle, make_scorer, write_bundle
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.model.scoring.golden_answers import golden_answerer
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode, document
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.recorder import Recorder

# Limits that are loose enough for many of the customers of `requests_of` to show a pattern.
LOOSE = ActionRule(
    minimum=1,
    patterns={
        "PASS_THROUGH": {"hours": 1_000.0, "share": 0.01, "amount": 1.0},
        "VELOCITY_BURST": {"count": 3.0, "hours": 200.0},
        "LARGE_AMOUNT": {"amount": 20.0, "quantile": 0.5, "usual": 25.0},
    },
)
NOW = 1_800_000_000.25


@pytest.fixture(scope="session")
def second_bundle(bundle, tmp_path_factory):
    """A bundle with the same trees and other thresholds, so that its version differs."""
    first = load_bundle(bundle, verify_golden=False)
    manifest = msgspec.structs.replace(first.manifest, thresholds=Thresholds(medium=0.1, high=0.2), files={})
    answer = golden_answerer(make_scorer(first.trees, manifest), manifest.settings)
    files = {name: (bundle / name).read_bytes() for name in FILES}
    files["golden.json"] = msgspec.json.encode([row | {"answer": answer(row["request"])} for row in first.golden])
    folder = tmp_path_factory.mktemp("second") / "bundle"
    write_bundle(folder, manifest, files)
    return folder


@pytest.fixture(scope="session")
def registry(bundle, second_bundle, tmp_path_factory):
    """A registry with both bundles."""
    from customer_risk.model.registry.aliases import Author
    from customer_risk.model.registry.registry import Registry

    folder = tmp_path_factory.mktemp("registry")
    author = Author(by="tests", at="2027-01-15T08:00:00Z", why="")
    for each in (bundle, second_bundle):
        Registry.at(folder).add(each, author)
    return folder


def requests_of(names):
    """Yield an endless sequence of requests: by row, in columns and with features, in turn."""
    chance = np.random.default_rng(11)
    number = 0
    while True:
        rows = [
            {
                "id": f"t-{i}",
                "state": str(chance.choice(["COMPLETED", "PENDING", "DECLINED"])),
                "type": str(chance.choice(["CARDS", "BANK_TRANSFER", "CRYPTO_ON_RAMP", "LEASING"])),
                "amount": round(float(chance.lognormal(3, 1)), 2),
                "currency": "EUR",
                "direction": str(chance.choice(["IN", "OUT"])),
                "created_at": f"2024-08-{1 + int(chance.integers(0, 28)):02}T{int(chance.integers(0, 24)):02}:33:50Z",
                "completed_at": None,
            }
            for i in range(int(chance.integers(1, 8)))
        ]
        profile = {
            "reason_to_use_app": str(chance.choice(["TRAVEL_ACCOUNT", "CRYPTO_SERVICES"])),
            "occupation": str(chance.choice(["STUDENTS", "HEALTH", "ASTRONAUT"])),
            "country_of_residence": "FR",
        }
        given = {name: None if chance.random() < 0.2 else float(chance.normal()) for name in names}
        form = number % 3
        request = {"customer_id": f"c-{number % 50}"}
        if form == 2:
            request["features"] = given
        else:
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            request |= {"profile": profile, "transactions": columns if form else rows}
        number += 1
        yield json.dumps(request).encode()


@pytest.fixture(scope="session")
def record_decisions(bundle, second_bundle):
    """Return a function that records some decisions in an outbox folder, by both bundles and by rules."""

    def record(folder, count) -> None:
        outbox = Outbox(folder, most_bytes=10**9, file_bytes=10**9)
        recorder = Recorder(outbox, cpu=cpu_family())
        clock = iter(range(count * 10))
        service = Service(
            "customer-risk", fallback=RuleFallback(load_rules(), "rules"), clock=lambda: NOW + next(clock) / 10
        )
        first, second = (load_bundle(each, verify_golden=False) for each in (bundle, second_bundle))
        requests = requests_of(first.manifest.features)
        for number, body in zip(range(count), requests, strict=False):
            if number == 0:
                service.use(first)
            if number == count // 2:
                service.use(second)
            service.forced = number % 7 == 0
            recorder.decided(service.answer(body), caller="pay", route="/ai/v1/risk", trace=None, took=700)
        recorder.commit()
        recorder.close()

    return record


@pytest.fixture(scope="session")
def rule_bundle(bundle):
    """The bundle with an action rule, current wordings, and thresholds by which most customers are High."""
    first = load_bundle(bundle, verify_golden=False)
    manifest = msgspec.structs.replace(
        first.manifest, thresholds=Thresholds(medium=0.001, high=0.002), action_rule=LOOSE, wordings=CURRENT
    )
    scorer = make_scorer(first.trees, manifest)
    return dataclasses.replace(first, manifest=manifest, version="9" * 64, scorer=scorer)


@pytest.fixture(scope="session")
def rule_records(rule_bundle):
    """Decisions by a bundle with an action rule, then by rules: pairs of a record and its features' names."""

    class Kept:
        def __init__(self) -> None:
            self.records = []

        def add(self, body, names=(), _="") -> None:
            self.records.append((decode(body), names))

    kept = Kept()
    recorder = Recorder(kept, cpu=cpu_family())
    service = Service("customer-risk", fallback=RuleFallback(load_rules(), "rules"), clock=lambda: NOW)
    service.use(rule_bundle)
    for number, body in zip(range(60), requests_of(rule_bundle.manifest.features), strict=False):
        service.forced = number >= 40
        recorder.decided(service.answer(body), caller="pay", route="/ai/v1/risk", trace=None, took=700)
    return kept.records


@pytest.fixture(scope="session")
def recorded(record_decisions, tmp_path_factory):
    """An outbox folder with sixty decisions."""
    folder = tmp_path_factory.mktemp("recorded") / "outbox"
    record_decisions(folder, 60)
    return folder


@pytest.fixture(scope="session")
def records(recorded):
    """The sixty decisions: pairs of a record and its features' names."""
    return [
        (record, file.names(record.names))
        for file in find_files(recorded)
        for record in (decode(kept.body) for kept in file.read(0, 1000))
    ]


@pytest.fixture
def replayer(bundle, second_bundle):
    """A replayer with both bundles and the package's rules."""
    from customer_risk.serving.audit.bundles import Bundles
    from customer_risk.serving.audit.replay import Replayer

    return Replayer(Bundles(None, (bundle, second_bundle)).find, [load_rules()])


@pytest.fixture(scope="session")
def stored(records, tmp_path_factory):
    """A folder that the sixty decisions were shipped to, in four segments."""
    from customer_risk.serving.record.sinks.factory import open_sink
    from customer_risk.serving.record.sinks.interface import Segment
    from customer_risk.serving.record.sinks.settings import FolderSettings

    folder = tmp_path_factory.mktemp("stored") / "record"
    sink = open_sink(FolderSettings(path=str(folder)), "a" * 32)
    place = sink.place()
    for first in range(0, 60, 15):
        documents = [document(*each) for each in records[first : first + 15]]
        place = sink.write(Segment("0" * 32, first + 1, first + 15, documents), place)
    return folder


@pytest.fixture
def run():
    """Return a function that runs `customer-risk audit` in this process and returns the result."""
    from click.testing import CliRunner

    from customer_risk.model.errors import CustomerRiskError
    from customer_risk.serving.cli.audit import audit

    def invoke(*words, **options):
        result = CliRunner().invoke(audit, [str(word) for word in words], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit | CustomerRiskError):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def config(recorded, stored, tmp_path):
    """A server's configuration with an outbox and a folder that it was shipped to."""
    shutil.copytree(recorded, tmp_path / "outbox")
    shutil.copytree(stored, tmp_path / "record")
    path = tmp_path / "serving.yaml"
    path.write_text(
        f"record: {{enabled: true, folder: {tmp_path}/outbox, "
        f"ship: {{sinks: [{{type: folder, path: {tmp_path}/record}}]}}}}\n"
    )
    return path
