"""The requests of the load test."""

from __future__ import annotations

import json

import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.decisions.request_parser import RequestParser
from loadtest.payloads import BATCH, SHARES, load_payloads, make_payloads, save_payloads

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def payloads():
    """Three hundred requests."""
    return make_payloads(300, seed=3, customers=300)


@pytest.fixture(scope="module")
def reader():
    """The service's own reader."""
    return RequestParser(known=NAMES, wanted=NAMES)


def items(payload):
    """The requests within a payload, as the service would take them one by one."""
    import msgspec

    document = msgspec.json.decode(payload.body)
    return document.get("requests", [document])


def test_the_service_accepts_valid_requests_and_refuses_faulty_ones(payloads, reader):
    """The service accepts each valid item without a warning about defaults, and refuses each faulty one."""
    for payload in payloads:
        for item, customer, status in zip(items(payload), payload.customers, payload.statuses, strict=True):
            assert item["customer_id"] == customer
            if status == 200:
                assert "DEFAULT_TAKEN" not in {w.code for w in reader.read(json.dumps(item).encode(), now=NOW).warnings}
            else:
                with pytest.raises(InputError):
                    reader.read(json.dumps(item).encode(), now=NOW)


def test_every_kind_of_request_has_its_share(payloads):
    """Each kind occurs, and most requests have rows."""
    kinds = [payload.kind for payload in payloads]
    assert set(kinds) == set(SHARES)
    assert abs(kinds.count("rows") / len(kinds) - SHARES["rows"]) < 0.1


def test_histories_have_the_lengths_of_synthetic_customers(payloads):
    """About fifty transactions on average, most of them fewer, some many more."""
    counts = [len(items(payload)[0]["transactions"]) for payload in payloads if payload.kind == "rows"]
    assert 25 < np.mean(counts) < 100
    assert np.median(counts) < np.mean(counts) < max(counts) / 3


def test_a_batch_has_ten_to_fifty_items(payloads):
    """A batch has ten to fifty items."""
    sizes = [len(payload.customers) for payload in payloads if payload.kind == "batch"]
    assert all(BATCH[0] <= size <= BATCH[1] for size in sizes)


def test_a_seed_repeats_the_requests(tmp_path):
    """Equal seeds give equal requests, and written requests are read unchanged."""
    first = make_payloads(20, seed=5, customers=60)
    save_payloads(first, tmp_path / "here" / "payloads.jsonl")
    assert load_payloads(tmp_path / "here" / "payloads.jsonl") == first == make_payloads(20, seed=5, customers=60)
    assert make_payloads(20, seed=6, customers=60) != first
