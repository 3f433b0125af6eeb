"""Odd gRPC calls, and odd bytes for connections to the gRPC port; a seed always makes the same ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

import grpc

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
_METHODS: Final = (
    INFER, INFER, INFER, INFER, INFER, INFER,
    "/inference.GRPCInferenceService/ModelReady",
    "/inference.GRPCInferenceService/ModelMetadata",
    "/inference.GRPCInferenceService/ServerMetadata",
    "/inference.GRPCInferenceService/ServerReady",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/RepositoryModelLoad",
    "/inference.GRPCInferenceService/RepositoryModelUnload",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/inference.GRPCInferenceService/",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/", "//", "/x", "/%69nference.GRPCInferenceService/ModelInfer",
)  # fmt: skip
_METADATA: Final[tuple[tuple[str, str | bytes], ...]] = (
    ("traceparent", "00-" + "0" * 52),
    ("traceparent", "x" * 3000),
    ("x-bin", b"\x00\xff" * 500),
    ("authorization", "Bearer a.b.c"),
    ("authorization", "Basic eDp4"),
    ("content-encoding", "gzip"),
    ("grpc-encoding-x", "snappy"),
    ("x", "a" * 7000),
    ("inference-header-content-length", "-1"),
    ("idempotency-key", " "),
    ("cookie", "a=b; " * 200),
    ("grpc-trace-bin", b"\xff"),
    ("grpc-status-details-bin", b"\x08\x0d"),
)
_FLAGS: Final = {0: (0, 1, 8, 255), 1: (4, 5, 0, 0x24, 255), 4: (0, 1), 6: (0, 1), 9: (4,)}


class Call(NamedTuple):
    """A call of a method; `authorized` says whether the token is sent beside `metadata`."""

    method: str
    message: bytes
    metadata: list[tuple[str, str | bytes]]
    authorized: bool
    compression: grpc.Compression


def calls(seed: int, count: int, valid: Sequence[bytes]) -> Iterator[Call]:
    """Yield `count` calls: valid messages, messages with changed bytes, random protobuf and random bytes."""
    chance = Random(seed)  # noqa: S311  not for secrets
    for _ in range(count):
        way = chance.random()
        if way < 0.5:
            message = _changed(chance, chance.choice(valid))
        elif way < 0.9:
            message = b"".join(_field(chance, 0) for _ in range(chance.randrange(8)))
        else:
            message = chance.randbytes(chance.randrange(200))
        metadata = [chance.choice(_METADATA) for _ in range(chance.choices((0, 1, 3, 40), (70, 20, 9, 1))[0])]
        compression = chance.choices(list(grpc.Compression), (90, 5, 5))[0]
        yield Call(chance.choice(_METHODS), message, metadata, chance.random() < 0.95, compression)


def _changed(chance: Random, message: bytes) -> bytes:
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(message) + 1)
        piece = chance.choice((b"", b"\x00", b"\xff" * 10, b"\x80", chance.randbytes(3), b"\x2a\xff\xff\xff\xff\x0f"))
        message = message[:place] + piece + message[place + chance.randrange(4) :]
    return message


def _field(chance: Random, depth: int) -> bytes:
    """Return a random field; its number and type may be odd, and its length may be wrong."""
    number, kind = chance.choice((1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 2047, (1 << 29) - 1, 0)), chance.randrange(8)
    tag = varint(number << 3 | kind)
    match kind:
        case 0:
            return tag + chance.choice((varint(chance.getrandbits(64)), b"\xff" * 11, b"\x80"))
        case 1:
            return tag + chance.randbytes(8)
        case 5:
            return tag + chance.randbytes(4)
        case 2:
            inner = b"".join(_field(chance, depth + 1) for _ in range(chance.randrange(4))) if depth < 4 else b"x"
            length = chance.choices((len(inner), len(inner) + 1, 1 << 31, (1 << 63) - 1), (90, 4, 3, 3))[0]
            return tag + varint(length) + inner
        case _:  # groups, and types that don't exist
            return tag


def varint(number: int) -> bytes:
    """Return a number as a protobuf varint."""
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def connections(seed: int, count: int, token: str, valid: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the bytes of `count` connections: garbage, and HTTP/2 with odd frames, heads or messages."""
    chance = Random(seed)  # noqa: S311  not for secrets
    for _ in range(count):
        way = chance.random()
        if way < 0.1:
            begin = chance.choice((b"", PREFACE[:12], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01"))
            yield begin + chance.randbytes(chance.randrange(3000))
            continue
        sent = PREFACE + frame(4, 0, 0, b"")
        if way < 0.55:
            sent += _stream(chance, 1, token, chance.choice(valid))
        elif way < 0.65:  # streams that are opened and reset, only a few
            for stream in range(1, 60, 2):
                sent += headers(stream, headers_of(INFER, token)) + frame(3, 0, stream, struct.pack(">I", 8))
        else:
            sent += b"".join(_frame(chance, token) for _ in range(chance.randrange(1, 12)))
        yield _changed(chance, sent) if chance.random() < 0.3 else sent


def _stream(chance: Random, stream: int, token: str, message: bytes) -> bytes:
    """Return a call whose message has an odd compression flag, length or end."""
    flag = chance.choice((0, 0, 1, 2, 255))
    length = chance.choice((len(message), len(message) + 1, 0, 0xFFFFFFFF, 1 << 24))
    data = bytes([flag]) + struct.pack(">I", length) + message[:16_000]
    extra = {b"grpc-encoding": chance.choice((b"gzip", b"snappy", b"identity", b""))} if chance.random() < 0.5 else {}
    if chance.random() < 0.3:
        extra[b"grpc-timeout"] = chance.choice((b"1n", b"0S", b"99999999H", b"-1S", b"x"))
    if chance.random() < 0.1:
        extra[b"content-length"] = b"5"
    head = headers(stream, headers_of(chance.choice(_METHODS), token) | extra)
    return head + frame(0, chance.choice((0, 1)), stream, data)


def _frame(chance: Random, token: str) -> bytes:
    kind = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200))
    flags = chance.choice(_FLAGS.get(kind, (0, 1, 255)))
    stream = chance.choice((0, 1, 1, 2, 3, 5, 0x7FFFFFFF))
    whole = {
        1: headers(stream, headers_of(INFER, token))[9:],
        3: struct.pack(">I", 8),
        4: struct.pack(">HI", chance.randrange(10), chance.choice((0, 1, 0xFFFFFFFF))) * chance.randrange(20),
        6: b"x" * 8,
        8: struct.pack(">I", chance.choice((0, 1, 0x7FFFFFFF))),
    }.get(kind, b"")
    return frame(kind, flags, stream, whole if chance.random() < 0.7 else chance.randbytes(chance.randrange(300)))


def headers_of(path: str, token: str) -> dict[bytes, bytes]:
    """Return the header fields of a call."""
    return {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path.encode(),
        b":authority": b"x",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        b"authorization": b"Bearer " + token.encode(),
    }


def headers(stream: int, fields: Mapping[bytes, bytes]) -> bytes:
    """Return a complete HEADERS frame; its fields are HPACK literals."""
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    return frame(1, 4, stream, block)


def _text(value: bytes) -> bytes:
    """Return a text as an HPACK string without Huffman coding."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    return b"\x7f" + varint(len(value) - 127) + value


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """Return an HTTP/2 frame."""
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content
