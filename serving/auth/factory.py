"""Makes the authenticator if the settings enable it; loads the libraries that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from customer_risk.serving.auth.authenticator import Authenticator
    from customer_risk.serving.auth.settings import AuthSettings


def create_authenticator(settings: AuthSettings) -> Authenticator | None:
    """Return the authenticator, None if authentication is off."""
    if not settings.enabled:
        return None
    from customer_risk.serving.auth.authenticator import Authenticator

    return Authenticator(settings)
