"""The direction of a transaction at every entrance: IN or OUT, and a refusal for anything else."""

from __future__ import annotations

import pytest

from tests.serving.entrances import ENTRANCES, path_to

ODD = [
    ("UP", "a string"),
    ("out", "a string"),
    (" OUT", "a string"),
    ("OTHER", "a string"),
    ("", "an empty string"),
    (None, "null"),
    (1, "1"),
]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_another_direction_is_refused_by_its_pointer(entrances, request_, entrance) -> None:
    """Only IN and OUT are directions: any other value is a 422 for its request."""
    first, *others = request_["transactions"]
    for direction, got in ODD:
        if entrance in {"job, Parquet", "table"} and direction == 1:
            continue  # all values of a column have one type
        odd = request_ | {"customer_id": "c-2", "transactions": [first | {"direction": direction}, *others]}
        answered, refused = entrances.send(entrance, [request_, odd])
        assert (answered["status"], refused["status"]) == (200, 422)
        (error,) = refused["problem"]["errors"]
        assert error == {
            "pointer": path_to(entrance, 0, "direction", place=1),
            "detail": f'expected "IN" or "OUT"; got {got}',
        }


def test_an_unknown_state_or_type_is_read_as_other(entrances, request_) -> None:
    """An unknown category is answered with a warning that points at it."""
    request_["transactions"][1] |= {"state": "LOST", "type": "TELEPATHY"}
    (outcome,) = entrances.send("risk", [request_])
    assert [(each["code"], each["pointer"]) for each in outcome["answer"]["warnings"]] == [
        ("UNKNOWN_CATEGORY", "/transactions/1/state"),
        ("UNKNOWN_CATEGORY", "/transactions/1/type"),
    ]
