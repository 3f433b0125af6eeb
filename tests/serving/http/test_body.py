"""Bodies: their size, media type and coding."""

from __future__ import annotations

import asyncio

import pytest

from customer_risk.serving.errors import BodyTooLarge, EncodedBody, WrongMediaType
from customer_risk.serving.http import body
from customer_risk.serving.http.body import ClientDisconnected, bounded, header, read_body, require_json


def _receiving(*messages):
    pending = iter(messages)

    async def receive():
        return next(pending)

    return receive


def _part(body: bytes, *, more: bool = False) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def _scope(length: str | None = None) -> dict:
    return {"headers": [] if length is None else [(b"content-length", length.encode())]}


def test_a_body_is_read_to_its_end() -> None:
    """Parts are joined in order."""
    receive = _receiving(_part(b"a", more=True), _part(b"b", more=True), _part(b""))
    assert asyncio.run(read_body(receive)) == b"ab"


def test_a_client_that_disconnects_is_reported() -> None:
    """A client that disconnects before the end of its body is reported."""
    with pytest.raises(ClientDisconnected):
        asyncio.run(read_body(_receiving(_part(b"a", more=True), {"type": "http.disconnect"})))


def test_a_body_may_be_as_large_as_the_bound() -> None:
    """The bound itself is allowed."""
    assert asyncio.run(read_body(bounded(_scope("4"), _receiving(_part(b"abcd")), 4))) == b"abcd"


def test_a_declared_length_past_the_bound_is_refused_and_the_body_dropped() -> None:
    """A declared size beyond the bound is refused after the body has arrived."""
    rest = iter((_part(b"ab", more=True), _part(b"cde")))

    async def receive():
        return next(rest)

    with pytest.raises(BodyTooLarge, match="more than 4 bytes"):
        asyncio.run(read_body(bounded(_scope("5"), receive, 4)))
    assert list(rest) == []


def test_a_request_with_expect_is_refused_at_once() -> None:
    """With `Expect`, the refusal comes before any part is received."""
    scope = _scope("5")
    scope["headers"].append((b"expect", b"100-continue"))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(bounded(scope, _receiving(), 4)))


def test_an_undeclared_body_past_the_bound_is_refused_and_the_rest_dropped() -> None:
    """A chunked body is counted while it arrives."""
    receive = _receiving(_part(b"abc", more=True), _part(b"de", more=True), _part(b"f"))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(bounded(_scope(), receive, 4)))


def test_a_body_that_never_ends_is_refused(monkeypatch) -> None:
    """A body that never ends is refused."""
    monkeypatch.setattr(body, "_MOST_DROPPED", 10)
    receive = _receiving(*[_part(b"abcdef", more=True)] * 3)
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(bounded(_scope(), receive, 4)))


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.deblock+json", None, "", " "]
)
def test_every_declaration_of_json_is_accepted(media_type) -> None:
    """Case, parameters and suffixes don't matter, and a body without a declaration is JSON."""
    require_json(media_type)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "json"])
def test_another_media_type_is_refused(media_type) -> None:
    """A form or a text isn't JSON."""
    with pytest.raises(WrongMediaType, match="Content-Type: application/json"):
        require_json(media_type)


@pytest.mark.parametrize("media_type", [None, ""])
def test_a_declaration_can_be_required(media_type) -> None:
    """Where a body must be declared, one without a declaration is refused."""
    with pytest.raises(WrongMediaType, match="not declared"):
        require_json(media_type, declared=True)


@pytest.mark.parametrize(
    "codings",
    [
        [b"gzip"], [b"deflate"], [b"br"], [b"zstd"], [b"x-gzip"], [b"GZIP"], [b"gzip, identity"], [b"identity,gzip"],
        [b"identity", b"gzip"], [b" gzip "], [b"unknown"],
    ],
)  # fmt: skip
def test_a_body_with_a_coding_is_refused_after_it_was_dropped(codings) -> None:
    """With any coding, the rest of the body is read and dropped, so that its sender gets the refusal."""
    rest = iter((_part(b"ab", more=True), _part(b"cde")))

    async def receive():
        return next(rest)

    scope = {"headers": [(b"content-encoding", coding) for coding in codings]}
    with pytest.raises(EncodedBody, match="Content-Encoding"):
        asyncio.run(read_body(bounded(scope, receive)))
    assert list(rest) == []


@pytest.mark.parametrize("codings", [[], [b"identity"], [b"Identity, identity"], [b""], [b"identity", b" "]])
def test_identity_is_no_coding(codings) -> None:
    """A body that is declared as unchanged is read."""
    scope = {"headers": [(b"content-encoding", coding) for coding in codings]}
    assert asyncio.run(read_body(bounded(scope, _receiving(_part(b"abc"))))) == b"abc"


def test_an_encoded_body_after_expect_is_refused_at_once() -> None:
    """The body isn't read, because its sender waits for the response."""

    async def receive():
        raise AssertionError("the body was read")

    scope = {"headers": [(b"content-encoding", b"gzip"), (b"expect", b"100-continue")]}
    with pytest.raises(EncodedBody):
        asyncio.run(read_body(bounded(scope, receive)))


def test_a_header_is_found_by_name() -> None:
    """The first header of a name is returned, or None."""
    scope = {"headers": [(b"host", b"x"), (b"content-type", b"a"), (b"content-type", b"b")]}
    assert (header(scope, b"content-type"), header(scope, b"accept")) == ("a", None)
