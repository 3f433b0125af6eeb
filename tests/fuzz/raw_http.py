"""Bytes for connections to the HTTP port: odd targets, heads, framing and sequences of requests.

A seed always makes the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from benchmarks.serving.hostile import BATCH, INFER, PREDICT, RISK

if TYPE_CHECKING:
    from collections.abc import Mapping

End = Literal["half-close", "wait", "close", "reset"]
JOBS: Final = "/ai/v1/risk/jobs"
_PATHS: Final = (
    RISK, BATCH, PREDICT, INFER, JOBS, f"{JOBS}/{'0' * 36}", f"{JOBS}/{'0' * 36}/results", "/ai/v1/admin/state",
    "/ai/v1/admin/rules", "/ai/v1/admin/reload", "/ai/v1/openapi.json", "/ai/v1/docs", "/healthz", "/metrics", "/",
    "/v2", "/v2/health/ready", "/v2/models/customer-risk", "/v2/models/customer-risk/versions/1/infer",
    "/v2/repository/index", "/v2/repository/models/customer-risk/load", "/v1/models", "/v1/models/customer-risk",
)  # fmt: skip
_METHODS: Final = (
    b"GET", b"POST", b"POST", b"POST", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT",
    b"PROPFIND", b"SEARCH", b"PURGE", b"M-SEARCH", b"QUERY", b"get", b"post", b"POST ", b" POST", b"P\x00ST", b"",
    b"X" * 300, b"\xff", b"PRI",
)  # fmt: skip
_FIELDS: Final = (
    b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization", b"Idempotency-Key",
    b"traceparent", b"Expect", b"Connection", b"Upgrade", b"Accept", b"Content-Encoding", b"TE", b"Trailer",
    b"Inference-Header-Content-Length", b"Range", b"X-Forwarded-For", b"Cookie", b"Keep-Alive", b"HTTP2-Settings",
)  # fmt: skip
_VALUES: Final = (
    b"", b"0", b"-1", b"+2", b"2", b"1e3", b"0x10", b"9" * 30, b"chunked", b"Chunked", b"gzip, chunked", b"identity",
    b"chunked, chunked", b"100-continue", b"close", b"keep-alive", b"upgrade, close", b"websocket", b"h2c",
    b"application/json", b"application/json; charset=utf-7", b"text/csv", b"application/x-ndjson", b"*/*",
    b"a" * 3000, b"\xff\xfe", b"\x80", b"x:80:90", b"[::1", b"localhost", b"Bearer a.b.c", b"Bearer " + b"x" * 9000,
    b"Basic eDp4", b"bytes=0-1,0-1", b"trailers", b"\t", b'"', b"00-" + b"0" * 52,
)  # fmt: skip
_PIECES: Final = (
    b"", b"\r\n", b"\n", b"\r", b"\x00", b":", b"\xff", b" ", b"\t", b"-", b"{", b"\r\n\r\n", b"0\r\n\r\n", b";",
    b"ffffffffffffffff\r\n", b"HTTP/1.1", b"\r\n ", b"%", b"\x7f", b"a" * 500,
)  # fmt: skip
_ODD_VERSIONS: Final = (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b"", b"XTTP/1.1")
_VERSIONS: Final = (b"HTTP/1.1",) * 12 + _ODD_VERSIONS
_BEHIND: Final = ("?", "#", "?#", "?a=b&a=%ff", "?" + "a" * 3000, "/", "//", ";x", "%00")
_BELOW: Final = ("%ff", "%c0%af", "%u0041", "%", "%0d%0aX:1", "a" * 20_000, "\x00")
_NAMES: Final = (b"X" * 200, b"", b"a b", b"\xff", b"X:", b":authority", b" X")
_TRAILERS: Final = (
    b"", b"X: y\r\n", b"Content-Length: 3\r\n", b"X: y\r\n" * 3000, b"Host: z\r\n", b" x\r\n", b"no colon\r\n",
)  # fmt: skip
_BAD_CHUNKS: Final = (b"-1\r\n", b"g\r\n", b"fffffffff\r\n", b"\r\n", b"1\r\nab\r\n", b"0x1\r\na\r\n")


class Sent(NamedTuple):
    """The bytes that a client sends on one connection, and how it ends the connection; `name` is the kind of bytes."""

    name: str
    data: bytes
    end: End


class Maker:
    """Makes bytes for connections; `token` is valid, `bodies` are valid and nearly valid requests."""

    def __init__(self, seed: int, token: str, bodies: Sequence[bytes]) -> None:
        self._chance = Random(seed)  # noqa: S311  not for secrets
        self._token = token.encode()
        self._bodies = bodies
        self._kinds: Mapping[str, Callable[[], bytes]] = {
            "target": self._odd_target,
            "fields": self._odd_fields,
            "framing": self._odd_framing,
            "sequence": self._sequence,
            "scratched": self._scratched,
            "body": self._body,
        }

    def make(self, count: int) -> Iterator[Sent]:
        """Yield the bytes of `count` connections, as many of each kind."""
        kinds = list(self._kinds.items())
        for place in range(count):
            name, make = kinds[place % len(kinds)]
            end: list[End] = ["half-close", "wait", "close", "reset"]
            yield Sent(name, make(), self._chance.choices(end, (85, 3, 6, 6))[0])

    def _odd_target(self) -> bytes:
        return self._request(self._chance.choice(_METHODS), self._target(), self._chance.choice(_VERSIONS))

    def _target(self) -> bytes:
        path = self._chance.choice(_PATHS)
        ways = (
            lambda: path,
            lambda: "".join(f"%{ord(each):02x}" if self._chance.random() < 0.2 else each for each in path),
            lambda: "".join(f"%25{ord(each):02X}" if self._chance.random() < 0.2 else each for each in path),
            lambda: f"http://{self._chance.choice(['x', 'x:80', 'a@b', '[::1]', '', 'x:99999', 'é'])}{path}",
            lambda: path + self._chance.choice(_BEHIND),
            lambda: path.replace("/", self._chance.choice(["//", "/./", "/x/../", "\\", "%2f", "/%2e%2e/"])),
            lambda: self._chance.choice(["*", "..", "/..", "x", "//x" + path, "?", "#", ":80", "x:80", "/\x7f", "/é"]),
            lambda: path + "/" + self._chance.choice(_BELOW),
            path.upper,
        )
        return self._chance.choice(ways)().encode()

    def _odd_fields(self) -> bytes:
        fields = []
        for _ in range(self._chance.randrange(8)):
            name = self._chance.choice((*_FIELDS, *_FIELDS, *_NAMES))
            fields.append((name, self._chance.choice(_VALUES)))
        fields *= self._chance.choices((1, 2, 40, 300), (80, 10, 5, 5))[0]
        fields += [(b"X-%d" % place, b"") for place in range(self._chance.choices((0, 5000), (95, 5))[0])]
        return self._request(b"POST", self._chance.choice(_PATHS).encode(), b"HTTP/1.1", fields)

    def _odd_framing(self) -> bytes:
        body = self._chance.choice(self._bodies)
        length = b"%d" % len(body)
        lengths = (length, b"0", length + b", " + length, b"-1", b"+5", b" 5 ", b"1_0", b"0x5", b"")
        framing = [(b"Content-Length", self._chance.choice(lengths)) for _ in range(self._chance.randrange(3))]
        codings = (b"chunked", b"chunked, identity", b"gzip, chunked", b"xchunked", b"chunked;q=1", b"\x0bchunked", b"")
        framing += [(b"Transfer-Encoding", self._chance.choice(codings)) for _ in range(self._chance.randrange(3))]
        self._chance.shuffle(framing)
        whole = self._chunks(body) if self._chance.random() < 0.7 else body
        return self._head(b"POST", self._chance.choice(_PATHS[:5]).encode(), b"HTTP/1.1", framing) + whole

    def _chunks(self, body: bytes) -> bytes:
        """Return a body in chunks with odd sizes, extensions and trailers."""
        written, place = b"", 0
        while place < len(body):
            size = self._chance.choice((1, 7, 100, 5000))
            part = body[place : place + size]
            place += size
            forms = (b"%x", b"%X", b"0%x", b"%x;a=b", b'%x;a="\\"";c', b"%x ", b"%x;" + b"x" * 400)
            written += self._chance.choice(forms) % len(part) + b"\r\n" + part + b"\r\n"
            if self._chance.random() < 0.02:
                written += self._chance.choice(_BAD_CHUNKS)
        return written + b"0\r\n" + self._chance.choice(_TRAILERS) + b"\r\n"

    def _sequence(self) -> bytes:
        """Return several pipelined requests, some of them odd."""
        makers = (self._body, self._body, self._plain, self._plain, self._odd_target, self._odd_framing)
        return b"".join(self._chance.choice(makers)() for _ in range(self._chance.randrange(2, 12)))

    def _plain(self) -> bytes:
        return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % self._chance.choice(_PATHS).encode()

    def _body(self) -> bytes:
        body = self._chance.choice(self._bodies)
        match self._chance.choice(_PATHS[:5]):
            case "/ai/v1/risk:batch" as path:
                body = b'{"requests":[%b,%b]}' % (body, body)
            case "/v1/models/customer-risk:predict" as path:
                body = b'{"instances":[%b]}' % body
            case path:
                pass
        return self._request(b"POST", path.encode(), b"HTTP/1.1", body=body)

    def _scratched(self) -> bytes:
        """Return bytes of another kind with up to four changes; some are cut off."""
        makers = (self._odd_target, self._odd_fields, self._odd_framing, self._sequence, self._body)
        data = self._chance.choice(makers)()
        for _ in range(self._chance.randrange(5)):
            place = self._chance.randrange(min(len(data), 400) or 1)
            data = data[:place] + self._chance.choice(_PIECES) + data[place + self._chance.randrange(3) :]
        return data[: self._chance.randrange(len(data) + 1)] if self._chance.random() < 0.4 else data

    def _request(
        self,
        method: bytes,
        target: bytes,
        version: bytes,
        fields: Sequence[tuple[bytes, bytes]] = (),
        body: bytes | None = None,
    ) -> bytes:
        body = self._chance.choice(self._bodies) if body is None else body
        return self._head(method, target, version, [*fields, (b"Content-Length", b"%d" % len(body))]) + body

    def _head(self, method: bytes, target: bytes, version: bytes, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
        every = [(b"Host", b"x"), (b"Content-Type", b"application/json"), *fields]
        if self._chance.random() < 0.9:
            every.append((b"Authorization", b"Bearer " + self._token))
        lines = b"".join(b"%b: %b\r\n" % field for field in every)
        return b"%b %b %b\r\n%b\r\n" % (method, target, version, lines)
