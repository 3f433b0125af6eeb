"""Fixtures for the tests of serving: a service with the small real bundle, and valid requests."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.sound_request import sound_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from customer_risk.model.scoring.bundle import Bundle
    from customer_risk.serving.bulk.jobs.repository import JobRepository
    from customer_risk.serving.decisions.request_parser import RequestParser
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.http.scoring_app import ScoringApp
    from customer_risk.serving.kserve.model import RiskModel
    from tests.serving.entrances import Entrances

NOW = 1_800_000_000.25  # 2027-01-15T08:00:00.250000Z


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module of records, documents and segments to test with."""
    from tests.serving.record import conformance

    return conformance


@pytest.fixture
def now() -> float:
    """The time that tests' clocks show."""
    return NOW


@pytest.fixture
def request_() -> dict[str, Any]:
    """A copy of a valid request."""
    return sound_request()


@pytest.fixture
def as_columns() -> Callable[[list[dict[str, Any]]], dict[str, list[Any]]]:
    """Turn rows into columns."""
    return lambda rows: {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture
def reader() -> RequestParser:
    """A reader for a model of two features, of three that exist."""
    from customer_risk.serving.decisions.request_parser import RequestParser

    return RequestParser(known=("a", "b", "c"), wanted=("a", "b"))


@pytest.fixture(scope="session")
def small_bundle(bundle: Path) -> Bundle:
    """The small real bundle, loaded."""
    from customer_risk.model.scoring.bundle import load_bundle

    return load_bundle(bundle, verify_golden=False)


@pytest.fixture
def service(small_bundle: Bundle) -> Service:
    """A service on the small real bundle, whose clock always shows NOW."""
    from customer_risk.serving.decisions.service import Service

    made = Service("customer-risk", clock=lambda: NOW)
    made.use(small_bundle)
    return made


@pytest.fixture
def ready(app: ScoringApp, model: RiskModel, small_bundle: Bundle) -> ScoringApp:
    """The whole application, with the small real bundle in use."""
    model.warm = True
    model.use(small_bundle)
    return app


@pytest.fixture
def entrances(ready: ScoringApp, model: RiskModel, call: Callable[..., Any], tmp_path: Path) -> Entrances:
    """Every entrance of a service on the small real bundle."""
    from tests.serving.entrances import Entrances

    return Entrances(ready, model.service, call, tmp_path)


@pytest.fixture
def jobs_repository(tmp_path: Path) -> Iterator[JobRepository]:
    """A repository of jobs in a store of the test's own."""
    from customer_risk.serving.bulk.jobs.repository import JobRepository
    from customer_risk.serving.store.file import FileStore

    store = FileStore(str(tmp_path / "store"))
    yield JobRepository(store, lease_seconds=1)
    store.close()


@pytest.fixture
def call() -> Callable[..., httpx2.Response]:
    """Send one request to an ASGI application, in this process."""

    def send(app: Any, method: str, path: str, **options: Any) -> httpx2.Response:
        async def sent() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(sent())

    return send


@pytest.fixture
def model(bundle: Path) -> RiskModel:
    """The KServe model on the small real bundle, not loaded yet."""
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.exchange.exchange import Exchange
    from customer_risk.serving.exchange.observers import LogObserver
    from customer_risk.serving.kserve.model import RiskModel
    from customer_risk.serving.telemetry.logs import LogSettings, RequestLog

    return RiskModel(Exchange(Service("customer-risk"), observers=(LogObserver(RequestLog(LogSettings())),)), bundle)


@pytest.fixture
def app(model: RiskModel) -> ScoringApp:
    """The whole application over `model`, without a process around it."""
    from kserve import ModelRepository

    from customer_risk.serving.kserve.application import application
    from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane

    models = ModelRepository()
    models.update(model)
    return application(model.exchange, ModelDataPlane(models), FixedModels(models))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that no system trusts, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Company")])
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
    today = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    for extension in (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.KeyUsage(encipher_only=False, decipher_only=False, **usage),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
    ):
        critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
        made = made.add_extension(extension, critical=critical)
    file = tmp_path_factory.mktemp("certificate") / "company.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def encryption(certificate: Path) -> ssl.SSLContext:
    """The TLS context of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
