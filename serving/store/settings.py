"""Which store, and how long to wait for it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Positive = Annotated[float, msgspec.Meta(gt=0)]


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shared store's settings.

    kind              "file" for the processes of one machine, "redis" for several pods
    path              the file; its folder must exist; empty: one in the server's run folder, gone with the pod
    url               redis://[user:password@]host:port/database, or rediss:// for TLS
    url_file          a file that holds the URL, for one with a password; read when the store is opened
    prefix            stands before each key in Redis, so that several services may share one
    timeout_seconds   for one operation; then the caller is told to come back
    """

    kind: Literal["file", "redis"] = "file"
    path: str = ""
    url: str = ""
    url_file: str = ""
    prefix: str = "customer-risk:"
    timeout_seconds: _Positive = 2
