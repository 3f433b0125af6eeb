"""`/ai/v1/admin`: state and switches of the service, for callers with the scope `admin`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec

from customer_risk.model.errors import BadField, InputError
from customer_risk.serving.contract.answer import ModelName
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.malformed import not_json
from customer_risk.serving.decisions.reload import ReloadState
from customer_risk.serving.errors import Conflict, Later, NotFound, WrongMethod
from customer_risk.serving.http.body import Receive, Scope, Send, bounded, header, read_body, require_json
from customer_risk.serving.http.responses import Response, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.decisions.switches import Switches, SwitchFile

PATH: Final = "/ai/v1/admin"
_MOST_BYTES: Final = 16 * 1024
_log = logging.getLogger("serving.admin")

Why = Annotated[str, msgspec.Meta(min_length=1, max_length=500, description="the reason, for the log")]


_Order = TypeVar("_Order")


class RulesSwitch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order to answer by rules instead of the model, or by the model again."""

    force: bool
    why: Why


class ReloadOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order to check the bundle's folder for another bundle."""

    why: Why


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the service; `worker` and `started` (seconds since 1970) are the responding process's."""

    model: ModelName | None
    ready: bool
    draining: bool
    rules_forced: bool
    switched_by: str | None
    switched_why: str | None
    switched_at: float | None
    reload: ReloadState
    worker: int
    started: float


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a switch, for the record: `what` was done by `by`, and `why`."""

    what: str
    by: str
    why: str
    at: float


class Admin:
    """The application behind `PATH`.

    `reloads` returns the last reload, `record(event)` is called for every switch, `clock` returns seconds since 1970.
    """

    def __init__(
        self,
        service: Service,
        control: SwitchFile,
        reloads: Callable[[], ReloadState],
        *,
        record: Callable[[Event], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._control = control
        self._reloads = reloads
        self._record = record
        self._clock = clock
        self._started = clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Answer one request of an administrator; raises NotFound, WrongMethod and the errors of a bad body."""
        path, method = scope["path"].removeprefix(PATH), scope["method"]
        if path not in {"/state", "/rules", "/reload"}:
            raise NotFound(f"{PATH}{path[:60]} doesn't exist.", remedy=f"See {PATH}/state.")
        allowed = "GET" if path == "/state" else "POST"
        if method != allowed:
            raise WrongMethod(f"{method} isn't allowed here.", remedy=f"Send {allowed}.", allowed=allowed)
        if path != "/state":
            # A web page can make a browser send a body without a Content-Type to any server, and a server without
            # authentication would obey. Before a browser sends a body declared as JSON, it asks the server (CORS).
            require_json(header(scope, b"content-type"), declared=True)
            body = await read_body(bounded(scope, receive, _MOST_BYTES))
            await (self._switch(body, caller) if path == "/rules" else self._reload(body, caller))
        await respond(send, Response(200, msgspec.json.encode(self.state())))

    def state(self) -> State:
        """Return the state as this process knows it."""
        switches, service = self._control.switches, self._service
        return State(
            model=service.model() if service.answering else None,
            ready=service.ready,
            draining=service.draining,
            rules_forced=service.forced,
            switched_by=switches.by,
            switched_why=switches.why,
            switched_at=switches.at,
            reload=self._reloads(),
            worker=os.getpid(),
            started=self._started,
        )

    async def _switch(self, body: bytes, caller: Caller) -> None:
        asked = _read(body, RulesSwitch)
        if asked.force and not self._service.has_rules:
            raise Conflict("This service has no rules.", remedy="Set rules.enabled and start the service again.")
        await self._change(
            "force rules" if asked.force else "back to the model",
            caller,
            asked.why,
            lambda now: msgspec.structs.replace(now, force_rules=asked.force),
        )

    async def _reload(self, body: bytes, caller: Caller) -> None:
        asked = _read(body, ReloadOrder)
        await self._change(
            "reload", caller, asked.why, lambda now: msgspec.structs.replace(now, reloads=now.reloads + 1)
        )

    async def _change(self, what: str, caller: Caller, why: str, changed: Callable[[Switches], Switches]) -> None:
        at = self._clock()
        try:
            await self._control.change(
                lambda now: msgspec.structs.replace(changed(now), by=caller.name, why=why, at=at)
            )
        except OSError as error:
            _log.warning("not done: %s, by %s: %s", what, caller.name, why)
            raise Later(
                f"The switch can't be stored: {error.strerror}.", remedy="Check the pod's disk, then try again."
            ) from error
        _log.warning("%s, by %s: %s", what, caller.name, why)
        self._record(Event(what=what, by=caller.name, why=why, at=at))


def _read(body: bytes, kind: type[_Order]) -> _Order:
    """Return the decoded body; raises MalformedBody, or InputError with the field."""
    try:
        return msgspec.json.decode(without_mark(body), type=kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        pointer = f"/{path.rstrip('`')}" if path else ""
        raise InputError((BadField(pointer, problem),)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(body, error) from error
