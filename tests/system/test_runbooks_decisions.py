"""The runbooks of decisions and of access: each page's commands while the fault is present, and after it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from customer_risk.model.scoring import bundle as bundles
from tests.http_server import serving
from tests.system.asking import ask
from tests.system.issuer import Issuer
from tests.system.runbook_pages import Site, commands, released

pytestmark = pytest.mark.system


@pytest.fixture
def watch(start, tmp_path):
    """Return a context of a server of a bundle, with options and settings, and of Prometheus; it yields the release."""
    return lambda bundle, *options, **settings: released(start, bundle, tmp_path, *options, **settings)


def _send(site: Site, request: object, token: str | None = None) -> set[int]:
    """Send a request several times; return the statuses."""
    headers = {"authorization": f"Bearer {token}"}
    url = f"{site.variables['URL']}/ai/v1/risk"
    return {ask("POST", url, json=request, headers=headers).status_code for _ in range(5)}


def test_the_page_of_rules_that_answer(watch, bundle, sound_request) -> None:
    """Forced rules are shown with their reason and their decisions; the page's command lets the model answer again."""
    page = "CustomerRiskRulesAnswer"
    with watch(bundle) as site:
        site.over(page, 1)
        off, on = (each for each in commands(page) if each.section == "Mitigate")
        site.wait(page, on, '..."rules_forced":true...')
        assert _send(site, sound_request) == {200}
        site.check(page)
        site.wait(page, off, '..."rules_forced":false...')
        site.over(page, 1)


@pytest.fixture
def strict(bundle, tmp_path) -> Path:
    """A bundle whose thresholds make every customer high."""
    from customer_risk.model.scoring.golden_answers import golden_answerer

    loaded = bundles.load_bundle(bundle)
    manifest = msgspec.structs.replace(loaded.manifest, thresholds=bundles.Thresholds(medium=1e-9, high=2e-9))
    answer = golden_answerer(bundles.make_scorer(loaded.trees, manifest), manifest.settings)
    files = {name: (bundle / name).read_bytes() for name in bundles.FILES}
    files["golden.json"] = msgspec.json.encode([row | {"answer": answer(row["request"])} for row in loaded.golden])
    bundles.write_bundle(tmp_path / "strict", manifest, files)
    return tmp_path / "strict"


def _strange(request: dict[str, object]) -> dict[str, object]:
    """Return the request with an occupation that the model doesn't know."""
    changed = copy.deepcopy(request)
    changed["profile"]["occupation"] = "GARDENERS"  # type: ignore[index]
    return changed


def test_the_page_and_the_playbook_of_the_flagged_share(watch, strict, sound_request) -> None:
    """With a bundle that flags every customer, the share is 1, and the actions, bundles and warnings are shown."""
    with watch(strict) as site:
        site.until("customer_risk_decisions_total == 0")
        assert _send(site, _strange(sound_request)) == {200}
        site.over("CustomerRiskFlaggedShare", 1, expected="{} => 1 @[...]")
        _until_increase(site, lambda: _send(site, _strange(sound_request)))
        site.check("CustomerRiskFlaggedShare")
        site.check("playbooks/flagged-share-jumped")


def test_the_page_and_the_playbook_of_unknown_categories(watch, bundle, sound_request) -> None:
    """An occupation that the model doesn't know is shown with its field and share; known ones give no line."""
    page = "CustomerRiskUnknownCategories"
    with watch(bundle) as site:
        assert _send(site, sound_request) == {200}
        site.until("sum(customer_risk_decisions_total) == 5")
        site.over(page, 1, 2)
        assert _send(site, _strange(sound_request)) == {200}
        site.until("customer_risk_warnings_total{code='UNKNOWN_CATEGORY'} > 0")
        _until_increase(site, lambda: _send(site, _strange(sound_request)))
        site.check(page)
        site.check("playbooks/bad-upstream-category")


def _until_increase(site: Site, act: Callable[[], object]) -> None:
    """Repeat an act until Prometheus sees the counter of warnings rise: its first sample isn't an increase."""
    while not site.ask("increase(customer_risk_warnings_total{code='UNKNOWN_CATEGORY'}[30m]) > 0").strip():
        act()


def test_the_page_of_keys_that_are_not_refreshed(watch, bundle) -> None:
    """While the issuer answers 500, no key was ever read and the pod isn't ready; once it works, the fault is over."""
    page, issuer, works = "CustomerRiskKeysNotRefreshed", Issuer(), []
    with (
        serving(lambda *_: (200, issuer.jwks.encode()) if works else (500, b"")) as url,
        watch(bundle, ready="/healthz", auth=issuer.settings(f"{url}/keys") | {"refresh_seconds": 1}) as site,
    ):
        site.over(page, 1, expected='{pod="..."} => +Inf @[...]')
        site.check(page)
        works.append(True)
        site.over(page, 1, 3)


def test_the_page_and_the_playbook_of_a_revoked_key(watch, bundle, sound_request, tmp_path) -> None:
    """A token is accepted until its key is replaced; then it is refused, counted, and its key id is shown."""
    issuer, keys = Issuer(), tmp_path / "jwks.json"
    keys.write_text(issuer.jwks)
    token = issuer.token("tester", "score")
    auth = issuer.settings(str(keys)) | {"file_seconds": 1, "unknown_key_seconds": 1}
    with watch(bundle, token=token, auth=auth) as site:
        assert _send(site, sound_request, token=token) == {200}
        site.over("CustomerRiskTokensRefused", 1)
        site.over("CustomerRiskTokensRefused", 3, expected="422")
        keys.write_text(Issuer().jwks.replace("k-1", "k-2"))
        while 401 not in _send(site, sound_request, token=token):
            pass
        _until_refused(site, lambda: _send(site, sound_request, token=token))
        site.check("CustomerRiskTokensRefused")
        site.check("playbooks/key-revoked")


def _until_refused(site: Site, act: Callable[[], object]) -> None:
    """Repeat an act until Prometheus sees both counters of refused tokens rise."""
    while not all(
        site.ask(f"increase({counter}[10m]) > 0").strip()
        for counter in (
            "customer_risk_refusals_total{kind='unauthenticated'}",
            "customer_risk_requests_total{code='401'}",
        )
    ):
        act()
