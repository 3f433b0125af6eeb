"""A byte order mark before a body, and bodies in other encodings."""

from __future__ import annotations

import json
from codecs import BOM_UTF8

import pytest

HEADERS = {"content-type": "application/json"}


def _tensor(request: dict) -> dict:
    return {"inputs": [{"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}]}


OF_A_REQUEST = pytest.mark.parametrize(
    ("path", "wrap"),
    [
        ("/ai/v1/risk", lambda request: request),
        ("/ai/v1/risk:batch", lambda request: {"requests": [request]}),
        ("/v1/models/customer-risk:predict", lambda request: {"instances": [request]}),
        ("/v2/models/customer-risk/infer", _tensor),
    ],
)


@OF_A_REQUEST
def test_a_byte_order_mark_is_ignored(ready, call, request_, path, wrap) -> None:
    """A body with a byte order mark gets the same answer; the mark alone, or after a space, is a 400."""
    body = json.dumps(wrap(request_)).encode()
    plain, marked, alone, late = (
        call(ready, "POST", path, content=content, headers=HEADERS)
        for content in (body, BOM_UTF8 + body, BOM_UTF8, b" " + BOM_UTF8 + body)
    )
    assert (plain.status_code, marked.status_code, alone.status_code, late.status_code) == (200, 200, 400, 400)
    assert len(marked.content) == len(plain.content)


@OF_A_REQUEST
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_by_its_name(ready, call, request_, path, wrap, encoding) -> None:
    """A body in UTF-16, which PowerShell writes, is refused with that reason."""
    refused = call(ready, "POST", path, content=json.dumps(wrap(request_)).encode(encoding), headers=HEADERS)
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("The body isn't JSON: it is in UTF-16.")
