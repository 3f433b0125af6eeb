"""Settings of the fallback rules."""

from __future__ import annotations

import msgspec


class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fallback's settings.

    enabled          whether rules answer if the model can't; if false, such requests get 503 or 500
    file             a YAML file of rules; null: the rules in the package
    without_bundle   whether rules answer, and the server is ready, before a bundle is verified
    name             name of the rules in answers
    """

    enabled: bool = True
    file: str | None = None
    without_bundle: bool = False
    name: str = "customer-risk-rules"
