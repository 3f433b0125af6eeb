"""The customer_id of a refused request."""

from __future__ import annotations

import pytest

from customer_risk.serving.contract.customer import customer_of


@pytest.mark.parametrize(
    ("body", "customer_id"),
    [
        (b'{"customer_id": "c-1", "profile": 3}', "c-1"),
        (b'\xef\xbb\xbf{"transactions": [{"customer_id": "t"}], "customer_id": "\\u0063-1", "x": NaN}', "c-1"),
        (b'{"customer_id": "a", "customer_id": "b"}', "b"),
        (b'{"customer_id": "%b"}' % (b"\\ud83d\\ude00" * 128), "\N{GRINNING FACE}" * 128),
        (b'{"customer_id": ""}', None),
        (b'{"customer_id": "%b"}' % (b"x" * 129), None),
        (b'{"customer_id": "erased"}', None),
        (b'{"customer_id": 7}', None),
        (b'{"customer_id": null}', None),
        (b'{"customer_id": "\\ud800"}', None),
        (b'{"customer_id": "\xff"}', None),
        (b'{"customer_id": "c-1"', None),
        (b'[{"customer_id": "c-1"}]', None),
        (b'"customer_id"', None),
        (b"", None),
        (b"\xef\xbb\xbf", None),
    ],
)
def test_a_valid_id_is_read_from_an_invalid_request(body, customer_id) -> None:
    """A valid id at the top level is returned, the last one if there are several; else None."""
    assert customer_of(body) == customer_id
