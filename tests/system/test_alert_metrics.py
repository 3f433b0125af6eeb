"""Each series that an alert reads, in a real Prometheus that scrapes a real server with all parts, and its shipper."""

from __future__ import annotations

import json
import re
import time

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from k8s.alerts import rules
from k8s.local_monitoring.programs import free_port
from tests.monitoring.prometheus import prometheus, query
from tests.system.asking import PATIENCE, ask

pytestmark = pytest.mark.system

_SELECTOR = re.compile(r"([a-z_:0-9]+)(\{[^}]*\})")


def _selectors() -> dict[str, set[str]]:
    """Return the selectors of each rule, by the rule's name; those of other exporters (kube_*) are left out."""
    found = {}
    for group in rules()["groups"]:
        for rule in group["rules"]:
            series = {f"{name}{labels}" for name, labels in _SELECTOR.findall(rule["expr"])}
            found[rule.get("alert") or rule["record"]] = {each for each in series if not each.startswith("kube_")}
    return found


@pytest.fixture(scope="module")
def scraping(start, command, bundle, tmp_path_factory, sound_request):
    """A Prometheus with the alerts, that scrapes a server with tokens, jobs, a record and two workers."""
    folder = tmp_path_factory.mktemp("scraped")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "k-1", "use": "sig", "alg": "RS256"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    shipper = free_port()
    sink = {"type": "folder", "path": str(folder / "record")}
    settings = {
        "server": {"workers": 2},
        "auth": {"enabled": True, "issuer": "https://i.example", "audience": "a", "jwks": str(folder / "jwks.json")},
        "record": {
            "enabled": True,
            "folder": str(folder / "outbox"),
            "ship": {"metrics_port": shipper, "sinks": [sink]},
        },
    }
    (folder / "serving.yaml").write_text(json.dumps(settings))
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    claims = {"iss": "https://i.example", "aud": "a", "exp": time.time() + 3600, "azp": "tester", "scope": "score"}
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k-1"})
    strange = sound_request | {"profile": sound_request["profile"] | {"occupation": "ASTRONAUTS"}}
    url = f"http://127.0.0.1:{server.port}"
    answer = ask("POST", f"{url}/ai/v1/risk", json=strange, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    targets = [f"127.0.0.1:{server.port}", f"127.0.0.1:{shipper}"]
    with prometheus(folder / "prometheus", targets, rules=rules(pace=30)) as scraped:
        yield scraped


@pytest.mark.parametrize("rule", [name for name, series in _selectors().items() if series])
def test_each_series_of_a_rule_is_exported(scraping, rule) -> None:
    """A running server or its shipper exports each series that the rule reads, with the labels of its selector."""
    deadline = time.monotonic() + PATIENCE
    missing = _selectors()[rule]
    while missing and time.monotonic() < deadline:
        missing = {each for each in missing if not query(scraping, each)}
        time.sleep(0.2 if missing else 0)
    assert not missing


def test_prometheus_evaluates_every_rule(scraping) -> None:
    """No rule has an error when it is evaluated with these series."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        groups = httpx2.get(f"{scraping}/api/v1/rules", timeout=PATIENCE).json()["data"]["groups"]
        health = {rule["name"]: (rule["health"], rule.get("lastError")) for each in groups for rule in each["rules"]}
        if not any(state == "unknown" for state, _ in health.values()):
            break
        time.sleep(0.2)
    assert {name: told for name, told in health.items() if told[0] != "ok"} == {}
