"""Credentials and endpoints of Google's clients."""

from __future__ import annotations

import pytest
from google.auth.credentials import AnonymousCredentials

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import client_arguments, credentials_for


def test_a_plain_http_endpoint_gets_no_credentials() -> None:
    """An emulator's endpoint gets anonymous credentials, and the client uses this endpoint."""
    arguments = client_arguments("http://127.0.0.1:1", "scope", "a.setting")
    assert isinstance(arguments["credentials"], AnonymousCredentials)
    assert arguments["client_options"] == {"api_endpoint": "http://127.0.0.1:1"}


@pytest.mark.parametrize("endpoint", ["", "https://127.0.0.1:1"])
def test_missing_credentials_name_the_setting_and_the_remedy(endpoint, tmp_path, monkeypatch) -> None:
    """Any other endpoint needs the environment's credentials; without them the error names the setting."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match=r"a\.setting: there are no credentials(.|\n)*Workload Identity"):
        credentials_for(endpoint, "scope", "a.setting")
