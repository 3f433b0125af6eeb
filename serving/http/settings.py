"""Settings of the HTTP server: address, bounds and timeouts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from customer_risk.serving.http.body import MOST_BATCH_BYTES

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Bytes = Annotated[int, msgspec.Meta(ge=MOST_BATCH_BYTES)]


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server's settings; times are in seconds unless the name says otherwise.

    host, port              address to listen on; port 0 is any free one
    workers                 processes that share the port; each uses a core
    stay_up                 with an invalid bundle, keep running but not ready (for pods), instead of ending with an
                            error
    drain_seconds           time between "not ready" and closing the port, so that callers can change to other servers
    grace_seconds           time for requests that are under way when the port closes
    most_wait_ms            a request that would wait longer is refused with 503, except probes, metrics and
                            administration; 0 refuses none
    header_seconds          time in which a connection must send a whole request head
    body_seconds            time in which it must send a body, plus one second for each `least_body_rate` bytes of it
    least_body_rate         bytes a second
    keep_alive_seconds      time after which an idle connection is closed
    most_header_bytes       bytes of one request head, including trailers
    most_connections        open connections of each worker; beyond it, connections that wait for a request are closed
                            for new ones
    most_connections_each   open connections of one IP address, which may be a proxy, in each worker
    most_body_bytes         bytes of all unanswered requests' bodies in each worker; beyond it, requests get 503
    most_body_bytes_each    bytes of one client's unanswered requests' bodies in each worker; a client is identified by
                            its name, or without authentication by its IP address
    metrics                 who can read /metrics: everyone at `port` (open), clients with the scope monitor at `port`
                            (scope), or everyone at `metrics_port` (port)
    metrics_port            the port of /metrics if `metrics` is port
    reload_seconds          time between two checks of the bundle's folder for another bundle; 0 checks only on SIGHUP
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    stay_up: bool = False
    drain_seconds: Seconds = 0
    grace_seconds: Seconds = 30
    most_wait_ms: Seconds = 50
    header_seconds: Seconds = 10
    body_seconds: Seconds = 20
    least_body_rate: Count = 64 * 1024
    keep_alive_seconds: Seconds = 65
    most_header_bytes: Count = 32 * 1024
    most_connections: Count = 4096
    most_connections_each: Count = 2048
    most_body_bytes: Bytes = 128 * 1024 * 1024
    most_body_bytes_each: Bytes = 64 * 1024 * 1024
    metrics: Literal["open", "scope", "port"] = "open"
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9091
    reload_seconds: Seconds = 1
