"""What administrators see and switch."""

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
    """Counts what it is asked for."""

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
    """What is asked to reload."""
    return _Reloader()


@pytest.fixture
def switched(service) -> Service:
    """The service whose rules are switched."""
    service._fallback = RuleFallback(load_rules(), "rules")
    return service


@pytest.fixture
def control(tmp_path, switched, reloader) -> SwitchFile:
    """The switches of one worker."""
    return SwitchFile(tmp_path, switched, reloader.reload)


@pytest.fixture
def events() -> list:
    """What was recorded."""
    return []


@pytest.fixture
def scoring_app(switched, control, reloader, events, now) -> ScoringApp:
    """A scoring app with the administrators' endpoint."""
    admin = Admin(switched, control, lambda: reloader.state, record=events.append, clock=lambda: now)
    rooms = {"/ai/v1/admin": Mount(admin, "admin")}
    return ScoringApp(None, Exchange(switched, access=AccessControl(_Guard())), endpoints=rooms)


ADMIN = {"authorization": "admin"}


def test_the_state_says_what_answers(scoring_app, call, switched, now) -> None:
    """Model, readiness, switches and the last reload."""
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


def test_rules_that_arent_there_cant_be_forced(scoring_app, call, switched) -> None:
    """The administrator hears it, instead of believing that rules answer."""
    switched._fallback = None
    response = call(
        scoring_app, "POST", "/ai/v1/admin/rules", json={"force": True, "why": "x"}, headers={"authorization": "admin"}
    )
    assert (response.status_code, switched.forced) == (409, False)


def test_a_reload_is_asked_for_once(scoring_app, call, reloader) -> None:
    """Each order is one look at the folder."""
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
def test_a_switch_without_sense_or_reason_is_refused(scoring_app, call, switched, path, body, pointer) -> None:
    """The field is named, and nothing is switched."""
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
def test_only_administrators_get_in_and_only_where_there_is_something(scoring_app, call, method, path, status) -> None:
    """Scopes first, then paths, then methods."""
    headers = {"authorization": "score"} if status == 403 else ADMIN
    assert call(scoring_app, method, f"/ai/v1/admin/{path}", headers=headers).status_code == status


def test_what_is_no_json_is_a_400(scoring_app, call) -> None:
    """As anywhere."""
    headers = ADMIN | {"content-type": "application/json"}
    assert call(scoring_app, "POST", "/ai/v1/admin/rules", content=b"{", headers=headers).status_code == 400


def test_a_switch_that_cannot_be_kept_is_not_made(scoring_app, call, control, switched, tmp_path) -> None:
    """A full or missing disk is a 503, and the workers stay of one mind."""
    control._path = tmp_path / "gone" / "switches.json"
    body = {"force": True, "why": "x"}
    assert call(scoring_app, "POST", "/ai/v1/admin/rules", json=body, headers=ADMIN).status_code == 503
    assert not switched.forced


def test_a_switch_that_was_not_made_is_not_recorded(scoring_app, call, control, events, caplog, tmp_path) -> None:
    """The log tells of the attempt; the record holds what was done."""
    control._path = tmp_path / "gone" / "switches.json"
    call(scoring_app, "POST", "/ai/v1/admin/rules", json={"force": True, "why": "x"}, headers=ADMIN)
    assert events == []
    assert "not done: force rules, by ada: x" in caplog.text


def test_an_order_to_one_worker_leaves_what_another_was_just_told(tmp_path, control, reloader) -> None:
    """A worker that hasn't looked at the file yet changes what stands there now, not what it last saw."""
    other = SwitchFile(tmp_path, Service("other"), reloader.reload)
    asyncio.run(control.change(lambda now: msgspec.structs.replace(now, force_rules=True)))
    asyncio.run(other.change(lambda now: msgspec.structs.replace(now, reloads=now.reloads + 1)))
    assert (other.switches.force_rules, other.switches.reloads) == (True, 1)


def test_a_switch_reaches_the_other_workers(tmp_path, control, reloader) -> None:
    """Another process that watches the same folder follows, a reload included; one that starts later does too."""
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
    """The last ones hold, and the log says so once, not at every look."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True)))
    (tmp_path / "switches.json").write_bytes(content)
    asyncio.run(control.apply())
    asyncio.run(control.apply())
    assert switched.forced
    assert caplog.text.count("can't be read") == 1


def test_switches_that_cannot_be_read_are_replaced_by_the_next(tmp_path, control, switched) -> None:
    """A broken file keeps nobody from switching; what was last applied is what changes."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True)))
    (tmp_path / "switches.json").write_bytes(b"{")
    asyncio.run(control.change(lambda now: msgspec.structs.replace(now, reloads=1)))
    assert (switched.forced, control.switches.reloads) == (True, 1)


def test_switches_are_plain_json(tmp_path, control) -> None:
    """Somebody on call can read the file."""
    asyncio.run(control.change(lambda _: Switches(force_rules=True, by="ada", why="x")))
    assert json.loads((tmp_path / "switches.json").read_bytes())["force_rules"] is True
    assert msgspec.json.decode((tmp_path / "switches.json").read_bytes(), type=Switches).by == "ada"
