"""Authentication's settings: invalid ones are refused at the start, by name."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.tokens.algorithms import ASYMMETRIC
from customer_risk.serving.auth.settings import AuthSettings

SOUND = {"enabled": True, "issuer": "https://i/", "audience": "risk", "jwks": "https://i/keys"}


def _refused(match: str, **other: object) -> ConfigError:
    with pytest.raises(ConfigError, match=match) as caught:
        AuthSettings(**{**SOUND, **other})
    return caught.value


@pytest.mark.parametrize(
    ("name", "empty"), [("issuer", ""), ("audience", ""), ("jwks", ""), ("client_claims", ()), ("scope_claims", ())]
)
def test_an_empty_required_setting_is_named(name, empty) -> None:
    """Each required setting is named if it is empty."""
    assert _refused(rf"auth\.{name} is empty", **{name: empty}).remedy


@pytest.mark.parametrize("claims", [("roles",), ("scope", "scp", "roles"), ("groups",), ("permissions",), ("Scope",)])
def test_scope_claims_of_other_services_need_a_prefix(claims) -> None:
    """Scope claims that may hold rights of other services need a prefix."""
    error = _refused(r"auth\.scope_prefix is empty, and auth\.scope_claims has", scope_claims=claims)
    assert "auth.scope_prefix" in error.remedy
    assert AuthSettings(**SOUND, scope_claims=claims, scope_prefix="risk:").enabled
    assert not AuthSettings(scope_claims=claims).enabled


def test_the_usual_scopes_need_no_prefix() -> None:
    """The defaults work without a prefix."""
    assert AuthSettings(**SOUND).scope_claims == ("scope", "scp")


@pytest.mark.parametrize("claims", [("",), ("azp", "a\nb"), ("app", "app:id"), ("app:id", "sub", "app")])
def test_claims_whose_client_names_would_be_invalid_or_ambiguous(claims) -> None:
    """A claim of clients that isn't printable, or that begins with another claim and a colon, is refused."""
    _refused(r"auth\.client_claims has", client_claims=claims)


def test_a_claim_may_be_a_url() -> None:
    """The name of a claim may be a URL."""
    assert AuthSettings(**SOUND, client_claims=("https://i/client", "sub")).enabled


def test_no_setting_is_required_without_authentication() -> None:
    """Without authentication no setting is required."""
    assert not AuthSettings().enabled


@pytest.mark.parametrize(
    ("algorithms", "shown"),
    [(("HS256",), "HS256"), (("none",), "none"), (("RS256", "HS512"), "HS512"), (("rs256",), "rs256"), ((), "empty")],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_only_asymmetric_algorithms_are_accepted(algorithms, shown, enabled) -> None:
    """Only asymmetric signatures can be accepted, and at least one, even while authentication is off."""
    _refused(rf"auth\.algorithms (has|is) {shown}", algorithms=algorithms, enabled=enabled)


def test_every_asymmetric_algorithm_is_accepted() -> None:
    """Each asymmetric algorithm can be accepted."""
    assert set(AuthSettings(**SOUND, algorithms=tuple(ASYMMETRIC)).algorithms) == ASYMMETRIC


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/keys",
        "http://10.0.0.1/keys",
        "http://localhost.issuer.example/keys",
        "http://127.0.0.1@issuer.example/keys",
        "http://[::2]/keys",
        "http://[::1/keys",
        "https://[::1/keys",
        "https://",
        "https:///keys",
        "ftp://127.0.0.1/keys",
        "file:///keys",
        "://",
    ],
)
def test_http_urls_of_other_machines_are_refused(url) -> None:
    """A key set at an `http://` URL of another machine is refused: others could change it in transit."""
    _refused(r"auth\.jwks is neither an https URL nor a file", jwks=url)


@pytest.mark.parametrize(
    ("jwks", "from_url"),
    [
        ("https://issuer.example/keys", True),
        ("HTTPS://issuer.example/keys", True),
        ("http://localhost:8080/keys", True),
        ("http://127.0.0.9/keys", True),
        ("http://[::1]:8080/keys", True),
        ("/etc/keys.json", False),
        ("keys.json", False),
    ],
)
def test_keys_may_be_at_a_url_or_in_a_file(jwks, from_url) -> None:
    """Keys may be at an https URL, at a URL of this machine, or in a file."""
    assert AuthSettings(**{**SOUND, "jwks": jwks}).from_url is from_url


@pytest.mark.parametrize(
    ("jwks", "name"), [("https://i/keys", "auth.refresh_seconds"), ("/keys.json", "auth.file_seconds")]
)
def test_stale_seconds_must_exceed_the_read_interval(jwks, name) -> None:
    """`stale_seconds` must be longer than the time between two reads."""
    _refused(
        rf"auth\.stale_seconds isn't longer than {name}", jwks=jwks, stale_seconds=7, refresh_seconds=7, file_seconds=7
    )


@pytest.mark.parametrize(
    "name",
    ["refresh_seconds", "file_seconds", "timeout_seconds", "stale_seconds", "unknown_key_seconds", "cache_seconds"],
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), "soon"])
def test_a_time_that_is_not_positive_is_refused(name, value) -> None:
    """A time that is not positive is refused by its name."""
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({**SOUND, name: value}, AuthSettings)


@pytest.mark.parametrize("value", [-1, 601])
def test_the_leeway_is_bounded(value) -> None:
    """A leeway is at most ten minutes."""
    with pytest.raises(msgspec.ValidationError, match="leeway_seconds"):
        msgspec.convert({**SOUND, "leeway_seconds": value}, AuthSettings)


def test_an_unknown_setting_is_refused() -> None:
    """An unknown setting is refused."""
    with pytest.raises(msgspec.ValidationError, match="audiences"):
        msgspec.convert({**SOUND, "audiences": ["risk"]}, AuthSettings)
