"""Servers for the clients: the real scoring application, and one that follows a script of failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk_client import AsyncRiskClient, Patience, RiskClient
from tests.scripted_server import ScriptedServer, response
from tests.serving.conftest import certificate, encryption, request_
from tests.serving.listening import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from customer_risk.serving.decisions.service import Service

__all__ = ["certificate", "encryption", "request_"]  # fixtures


class Blocking:
    """An AsyncRiskClient whose methods block, on an event loop of its own: tests run alike with both clients."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._runner = asyncio.Runner()
        try:
            self._client = AsyncRiskClient(*arguments, **named)
        except BaseException:
            self._runner.close()
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **named: self._runner.run(method(*arguments, **named))

    def close(self) -> None:
        """Close the client, then the event loop."""
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture
def scripted() -> type[ScriptedServer]:
    """The class of servers that follow a script."""
    return ScriptedServer


@pytest.fixture
def reply() -> Callable[..., bytes]:
    """Make a whole HTTP response."""
    return response


@pytest.fixture(scope="session")
def service(bundle) -> Service:
    """A service on the small real bundle."""
    from customer_risk.model.scoring.bundle import load_bundle
    from customer_risk.serving.decisions.service import Service

    made = Service("customer-risk")
    made.use(load_bundle(bundle, verify_golden=False))
    return made


@pytest.fixture
def url(service) -> Iterator[str]:
    """The URL of the real scoring application on the small real bundle."""
    with listening(service) as url:
        yield url


@pytest.fixture(params=[RiskClient, Blocking], ids=["sync", "async"])
def make_client(request) -> type[RiskClient | Blocking]:
    """Each of the two clients."""
    return request.param


@pytest.fixture
def ask(make_client) -> Iterator[Callable[..., RiskClient | Blocking]]:
    """Make clients with short waits; they are closed when the test ends."""
    made: list[RiskClient | Blocking] = []

    def make(url: str, *, token: str | None = None, **patience: float) -> RiskClient | Blocking:
        soon = Patience(**({"seconds": 120.0, "first": 0.01, "one": 60.0} | patience))
        made.append(make_client(url, token=token, patience=soon, for_files=soon))
        return made[-1]

    yield make
    for each in made:
        each.close()
