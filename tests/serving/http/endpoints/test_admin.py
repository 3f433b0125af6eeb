"""The endpoint of administration."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.reload import ReloadState
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.decisions.switches import Switches, SwitchFile
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.endpoints.admin import Admin
from customer_risk.serving.http.scoring_app import Mount, ScoringApp


class _Reloader:
    """Counts the reloads that are ordered."""

    def __init__(self) -> None:
        self.state = ReloadState()
        self.asked = 0

    async def reload(self) -> None:
        self.asked += 1


class _Guard:
    def cached(self, authorization: str | None) -> Caller:
        return Caller("ada", frozenset({authorization or "nothing"}))

    async def authenticate(self, authorization: str | None) -> Caller:
        return self.cached(authorization)


@pytest.fixture
def reloader() -> _Reloader:
    """The reloader of one test."""
    return _Reloader()


@pytest.fixture
def switched(service) -> Service:
    """A service with rules."""
    service._fallback = RuleFallback(load_rules(), "rules")
    return service


@pytest.fixture
def control(tmp_path, switched, reloader) -> SwitchFile:
    """The switches of one worker."""
    return SwitchFile(tmp_path, switched, reloader.reload)


@pytest.fixture
def events() -> list:
    """The recorded events."""
    return []


@pytest.fixture
def scoring_app(switched, control, reloader, events, now) -> ScoringApp:
    """A scoring app with the administrators' endpoint."""
    admin = Admin(switched, control, lambda: reloader.state, record=events.append, clock=lambda: now)
    rooms = {"/ai/v1/admin": Mount(admin, "admin")}
    return ScoringApp(None, Exchange(switched, access=AccessControl(_Guard())), endpoints=rooms)


ADMIN = {"authorization": "admin"}


def test_the_state_has_model_readiness_and_switches(scoring_app, call, switched, now) -> None:
    """The state has the model, readiness, the switches and the last reload."""
    state = call(scoring_app, "GET", "/ai/v1/admin/state", headers=ADMIN).json()
    assert state["model"]["version"] == switched.model().version
    assert (state["ready"], state["rules_forced"], state["reload"]["result"]) == (True, False, None)
    assert state["started"] == now


def test_rules_are_forced_with_a_name_and_a_reason(scoring_app, call, switched, events, caplog) -> None:
    """The switch takes effect, is logged and recorded."""
    body = {"force": True, "why": "drift in the north"}
    state = call(scoring_app, "POST", "/ai/v1/admin/rules", json=body, headers=ADMIN).json()
    assert (state["rules_forced"], state["switched_by"], state["switched_why"]) == (True, "ada", "drift in the north")
    assert switched.forced
    assert [(each.what, each.by, each.why) for each in events] == [("force rules", "ada", "drift in the north")]
    assert "force rules, by ada: drift in the north" in caplog.text


def test_missing_rules_cant_be_forced(scoring_app, call, switched) -> None:
    """Forcing rules on a service without rules is a conflict."""
    switched._fallback = None
    response = call(
        scoring_app, "POST", "/ai/v1/admin/rules", json={"force": True, "why": "x"}, headers={"authorization": "admin"}
    )
    assert (response.status_code, switched.forced) == (409, False)


def test_each_reload_order_checks_the_folder_once(scoring_app, call, reloader) -> None:
    """Each order checks the folder once."""
    call(scoring_app, "POST", "/ai/v1/admin/reload", json={"why": "new bundle"}, headers=ADMIN)
    assert reloader.asked == 1


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("rules", {"force": "yes", "why": "x"}, "/force"),
        ("rules", {"force": True}, ""),
        ("reload", {"why": ""}, "/why"),
    ],
)
def test_an_invalid_order_is_refused(scoring_app, call, switched, path, body, pointer) -> None:
    """An invalid order is refused with its field, and changes nothing."""
    response = call(scoring_app, "POST", f"/ai/v1/admin/{path}", json=body, headers=ADMIN)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not switched.forced


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "state", 403),
        ("POST", "rules", 403),
        ("GET", "secrets", 404),
        ("DELETE", "state", 405),
        ("GET", "rules", 405),
    ],
)
def test_the_scope_is_checked_before_path_and_method(scoring_app, call, method, path, status) -> None:
    """A caller without the scope gets 403 before unknown paths and methods are refused."""
    headers = {"authorization": "score"} if status == 403 else ADMIN
    assert call(scoring_app, method, f"/ai/v1/admin/{path}", headers=headers).status_code == status


def test_a_malformed_body_is_a_400(scoring_app, call) -> None:
    """A malformed body is refused."""
    headers = ADMIN | {"content-type": "application/json"}
    assert call(scoring_app, "POST", "/ai/v1/admin/rules", content=b"{", headers=headers).status_code == 400


def test_a_switch_that_cant_be_stored_is_not_made(scoring_app, call, control, switched, tmp_path) -> None:
    """If the disk is full or missing, the order gets 503, and all workers keep their switches."""
    control._path = tmp_path / "gone" / "switches.json"
    body = {"force": True, "why": "x"}
    assert call(scoring_app, "POST", "/ai/v1/admin/rules", json=body, headers=ADMIN).status_code == 503
    assert not switched.forced


def test_a_switch_that_was_not_made_is_not_recorded(scoring_app, call, control, events, caplog, tmp_path) -> None:
    """A failed order is logged, but not recorded."""
    control._path = tmp_path / "gone" / "switches.json"
    call(scoring_app, "POST", "/ai/v1/admin/rules", json={"force": True, "why": "x"}, headers=ADMIN)
    assert events == []
    assert "not done: force rules, by ada: x" in caplog.text


def test_an_order_keeps_changes_by_other_workers(tmp_path, control, reloader) -> None:
    """A change applies to the switches in the file, not to those that this worker read last."""
    other = SwitchFile(tmp_path, Service("other"), reloader.reload)
    asyncio.run(control.change(lambda now: msgspec.structs.replace(now, force_rules=True)))
    asyncio.run(other.change(lambda now: msgspec.structs.replace(now, reloads=now.reloads + 1)))
    assert (other.switches.force_rules, other.switches.reloads) == (True, 1)


def test_a_switch_reaches_the_other_workers(tmp_path, control, reloader) -> None:
    """Other processes with the same folder apply the switches and reloads, also processes that start later."""
    other, reloads = Service("other"), _Reloader()

    async def scenario() -> None:
        watcher = SwitchFile(tmp_path, other, reloads.reload)
        await watcher.start()
        await control.change(lambda _: Switches(force_rules=True, reloads=1))
        for _ in range(12_000):
            await asyncio.sleep(0.05)
            if other.forced:
                break
        await watcher.stop()

    asyncio.run(scenario())
    assert other.forced
    assert (reloader.asked, reloads.asked) == (1, 1)
    late, none = Service("late"), _Reloader()

    async def begin() -> None:
        watcher = SwitchFile(tmp_path, late, none.reload)
        await watcher.start()
        await watcher.stop()

    asyncio.run(begin())
    assert (late.forced, none.asked) == (True, 0)


@pytest.mark.parametrize("content", [b"{", b'{"force_rules": 3}'])
def test_switches_that_cannot_be_read_change_nothing(tmp_path, control, switched, caplog, content) -> None:
    """An unreadable file leaves the last switches in force, and is logged once."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True)))
    (tmp_path / "switches.json").write_bytes(content)
    asyncio.run(control.apply())
    asyncio.run(control.apply())
    assert switched.forced
    assert caplog.text.count("can't be read") == 1


def test_switches_that_cannot_be_read_are_replaced_by_the_next(tmp_path, control, switched) -> None:
    """With a broken file, an order changes the switches that were applied last."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True)))
    (tmp_path / "switches.json").write_bytes(b"{")
    asyncio.run(control.change(lambda now: msgspec.structs.replace(now, reloads=1)))
    assert (switched.forced, control.switches.reloads) == (True, 1)


def test_switches_are_plain_json(tmp_path, control) -> None:
    """The file is readable JSON."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True, by="ada", why="x")))
    assert json.loads((tmp_path / "switches.json").read_bytes())["force_rules"] is True
    assert msgspec.json.decode((tmp_path / "switches.json").read_bytes(), type=Switches).by == "ada"
