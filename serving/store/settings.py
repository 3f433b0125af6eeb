"""Settings of the shared store."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Positive = Annotated[float, msgspec.Meta(gt=0)]


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shared store's settings.

    kind              "file" for the processes of one machine, "redis" for several pods
    path              the file; its folder must exist; empty: one in the server's run folder, which ends with the pod
    url               redis://[user:password@]host:port/database, or rediss:// for TLS
    url_file          a file that holds the URL, for one with a password; read when the store is opened
    prefix            prefix of each key in Redis, so that several services can share one
    timeout_seconds   for one operation, a second attempt included; then the request is refused with Retry-After
    """

    kind: Literal["file", "redis"] = "file"
    path: str = ""
    url: str = ""
    url_file: str = ""
    prefix: str = "customer-risk:"
    timeout_seconds: _Positive = 2
