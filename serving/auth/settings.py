"""What tokens are accepted, and where the keys that signed them come from."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from customer_risk.model.errors import ConfigError

ASYMMETRIC: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class AuthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Authentication's settings; times are in seconds. Impossible ones raise ConfigError.

    enabled               off lets everybody in, with every scope: for local use
    issuer                what a token's `iss` must be, to the letter
    audience              what a token's `aud` must be or hold
    jwks                  the issuer's keys: an https URL (http on this machine's own addresses alone) or a file's path
    algorithms            signatures that are accepted; asymmetric ones only
    leeway_seconds        between the issuer's clock and ours, for `exp`, `nbf` and `iat`
    scope_claims          claims that grant scopes: a text with spaces, or a list
    scope_prefix          what stands before a scope's name in the token; others grant nothing
    client_claims         claims that name the client, the first that is there
    refresh_seconds       between two looks at a URL's keys
    file_seconds          between two looks at a file
    timeout_seconds       for a look, from beginning to end
    stale_seconds         without a look that succeeds nobody gets in after so long; it must be longer than between two
    unknown_key_seconds   between two looks for the sake of keys that nobody published
    cache_seconds         a verified token is taken again without verifying, at most until it expires
    most_cached           tokens kept so
    """

    enabled: bool = False
    issuer: str = ""
    audience: str = ""
    jwks: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    leeway_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 60
    scope_claims: tuple[str, ...] = ("scope", "scp", "roles")
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
        """Raise ConfigError for settings that would let the wrong ones in, or nobody."""
        refused = [name for name in self.algorithms if name not in ASYMMETRIC]
        if refused or not self.algorithms:
            raise ConfigError(
                f"auth.algorithms can't hold {', '.join(refused) or 'nothing'}.",
                remedy=f"Name some of {', '.join(sorted(ASYMMETRIC))}.",
            )
        if not self.enabled:
            return
        for name in ("issuer", "audience", "jwks", "client_claims", "scope_claims"):
            if not getattr(self, name):
                raise ConfigError(f"auth.{name} is empty.", remedy="Set it, or set auth.enabled to false.")
        if self.from_url and not _private(self.jwks):
            raise ConfigError("auth.jwks is neither an https URL nor a file.", remedy="Give an https URL.")
        if self.stale_seconds <= self.look_seconds:
            looks = "auth.refresh_seconds" if self.from_url else "auth.file_seconds"
            raise ConfigError(
                f"auth.stale_seconds isn't longer than {looks}: keys would be too old before the next look.",
                remedy="Make it several times as long.",
            )

    @property
    def from_url(self) -> bool:
        """Whether the keys come from a URL rather than a file."""
        return "://" in self.jwks

    @property
    def look_seconds(self) -> float:
        """Seconds between two looks at the keys, wherever they are."""
        return self.refresh_seconds if self.from_url else self.file_seconds


def _private(url: str) -> bool:
    """Return whether nobody on the network can change a URL's response: https, or this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return bool(host)
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:  # no address, or not even a URL
        return False
