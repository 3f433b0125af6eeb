"""Whether rules may answer, and which."""

from __future__ import annotations

import msgspec


class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fallback's settings.

    enabled          rules answer where the model can't; off, such requests get 503 or 500
    file             a YAML file of rules; null: those that come with the package
    without_bundle   rules serve, and the pod is ready, before any bundle was verified
    name             what answers call the rules
    """

    enabled: bool = True
    file: str | None = None
    without_bundle: bool = False
    name: str = "customer-risk-rules"
