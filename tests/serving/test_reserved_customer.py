"""No request can have the id that the record has for erased customers."""

from __future__ import annotations

import pytest

from customer_risk.serving.audit.options import hash_customer
from customer_risk.serving.contract.request import RESERVED_ID
from customer_risk.serving.record.outbox.record import ERASED
from tests.serving.entrances import ENTRANCES, INFER, pointers, texts


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_every_entrance_refuses_the_id_of_erased_customers(entrances, request_, entrance) -> None:
    """Every entrance refuses the id of erased customers with 422 and names its field."""
    (refused,) = entrances.send(entrance, [request_ | {"customer_id": "erased"}])
    assert pointers(refused) == [f"{ENTRANCES[entrance]}/customer_id".replace("{place}", "0")]


def test_v2_refuses_the_id_with_features_too(entrances, model) -> None:
    """A tensor of ids is refused by the id's index."""
    width = len(model.service.names())
    features = {"name": "features", "datatype": "FP64", "shape": [1, width], "data": [0.0] * width}
    refused = entrances.post(INFER, {"inputs": [texts("customer_id", ["erased"]), features]})
    assert pointers(refused) == ["/inputs/0/data/0"]


def test_the_reserved_id_is_the_one_that_erasures_write() -> None:
    """The reserved id is the one that erasures write, and is not a hash of an id."""
    assert RESERVED_ID == ERASED
    assert hash_customer(b"k" * 32, ERASED) != ERASED
    assert not ERASED.startswith("hmac-sha256:")


def test_other_ids_are_accepted(entrances, request_) -> None:
    """Ids that only contain the reserved id, or differ in case, are accepted."""
    ids = ("erased-1", "not erased", "Erased", "hmac-sha256:erased")
    outcomes = entrances.send("batch", [request_ | {"customer_id": each} for each in ids])
    assert [each["status"] for each in outcomes] == [200] * len(ids)
