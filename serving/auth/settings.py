"""Settings of authentication: accepted tokens, and the source of the issuer's keys."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.model.tokens.algorithms import ASYMMETRIC, is_private_url

_OAUTH_SCOPES: Final = frozenset(("scope", "scp"))  # claims that hold scopes of the token's audience alone
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class AuthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Authentication's settings; times are in seconds. Raises ConfigError for settings that can't work.

    enabled               false admits every caller with every scope: for local use only
    issuer                the exact `iss` of accepted tokens
    audience              value that the `aud` of accepted tokens is or contains
    jwks                  the issuer's keys: an https URL (http only on this machine's own addresses) or a file's path
    algorithms            accepted signature algorithms; asymmetric ones only
    leeway_seconds        allowed difference from the issuer's clock, for `exp`, `nbf` and `iat`
    scope_claims          claims that grant scopes: a text with spaces, or a list
    scope_prefix          prefix of a scope's name in the token; required for claims other than scope and scp
    client_claims         claims that can name the client; the first one present does, and the name is claim:value
    refresh_seconds       interval between reads of the keys at a URL
    file_seconds          interval between reads of the keys in a file
    timeout_seconds       timeout of one read of the keys
    stale_seconds         maximum age of the keys; while they are older, requests get 503; longer than the read interval
    unknown_key_seconds   least interval between reads that a token's unknown key id causes
    cache_seconds         how long a verified token is cached, at most until it expires
    most_cached           cached tokens, at most
    """

    enabled: bool = False
    issuer: str = ""
    audience: str = ""
    jwks: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    leeway_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 60
    scope_claims: tuple[str, ...] = ("scope", "scp")
    scope_prefix: str = ""
    client_claims: tuple[str, ...] = ("azp", "client_id", "sub")
    refresh_seconds: _Positive = 300
    file_seconds: _Positive = 5
    timeout_seconds: _Positive = 5
    stale_seconds: _Positive = 86_400
    unknown_key_seconds: _Positive = 30
    cache_seconds: _Positive = 300
    most_cached: Annotated[int, msgspec.Meta(ge=1)] = 4096

    def __post_init__(self) -> None:
        """Raise ConfigError for settings that would admit wrong callers, or no caller."""
        refused = [name for name in self.algorithms if name not in ASYMMETRIC]
        if refused or not self.algorithms:
            wrong = f"has {', '.join(refused)}, which can't be used" if refused else "is empty"
            raise ConfigError(
                f"auth.algorithms {wrong}.", remedy=f"Name one or more of {', '.join(sorted(ASYMMETRIC))}."
            )
        if not self.enabled:
            return
        for name in ("issuer", "audience", "jwks", "client_claims", "scope_claims"):
            if not getattr(self, name):
                raise ConfigError(f"auth.{name} is empty.", remedy="Set it, or set auth.enabled to false.")
        shared = [name for name in self.scope_claims if name not in _OAUTH_SCOPES]
        if shared and not self.scope_prefix:
            raise ConfigError(
                f"auth.scope_prefix is empty, and auth.scope_claims has {', '.join(shared)}: every administrator of"
                " another service with the same audience would be an administrator of this service.",
                remedy="Set auth.scope_prefix, for example to customer-risk:, or leave only scope and scp.",
            )
        self._require_distinct_clients()
        if self.from_url and not is_private_url(self.jwks):
            raise ConfigError(
                "auth.jwks is neither an https URL nor a file.", remedy="Give an https URL or the path of a file."
            )
        if self.stale_seconds <= self.read_seconds:
            interval = "auth.refresh_seconds" if self.from_url else "auth.file_seconds"
            raise ConfigError(
                f"auth.stale_seconds isn't longer than {interval}: keys would be too old before the next read.",
                remedy="Make it several times as long.",
            )

    def _require_distinct_clients(self) -> None:
        for name in self.client_claims:
            if not (name and name.isprintable()):
                raise ConfigError(
                    f"auth.client_claims has {name!r}, which is not a valid name of a claim.",
                    remedy="Use names of printable characters.",
                )
            longer = [other for other in self.client_claims if other.startswith(f"{name}:")]
            if longer:  # tokens with {"a": "b:c"} and {"a:b": "c"} would both name the client a:b:c
                raise ConfigError(
                    f"auth.client_claims has {name} and {longer[0]}: two clients could have the same name.",
                    remedy="Remove one of the two claims.",
                )

    @property
    def from_url(self) -> bool:
        """Whether the keys come from a URL rather than a file."""
        return "://" in self.jwks

    @property
    def read_seconds(self) -> float:
        """Seconds between two reads of the keys, from a URL or a file."""
        return self.refresh_seconds if self.from_url else self.file_seconds
