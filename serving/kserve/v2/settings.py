"""Settings of gRPC."""

from __future__ import annotations

import msgspec

from customer_risk.serving.http.settings import Seconds


class GrpcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """gRPC's settings.

    enabled           whether gRPC is served
    host, port        address to listen on; port 0 is any free one; all workers of a server share it
    message_seconds   time in which a client must send the message of a call
    grace_seconds     time for calls that are under way when the server ends
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = 8081
    message_seconds: Seconds = 20
    grace_seconds: Seconds = 10
