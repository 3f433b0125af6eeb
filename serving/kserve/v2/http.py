"""V2 over HTTP: KServe's paths, answered by the service.

KServe's own handlers report a server as ready whose model isn't, don't support versions, and check each number of a
tensor with pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from customer_risk.serving.errors import MalformedBody, NotReady, NotServed
from customer_risk.serving.http.body import ClientDisconnected, read_body, require_json
from customer_risk.serving.kserve.v2.body import read_call, write_response
from customer_risk.serving.kserve.v2.models import Models
from customer_risk.serving.kserve.v2.outputs import OUTPUTS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

JSON_LENGTH: Final = "inference-header-content-length"
CLIENT_CLOSED_REQUEST: Final = 499  # the status that proxies log if the client has disconnected


def register(app: Starlette, models: Models) -> None:
    """Add V2's routes to `app`, whose exception handlers answer the errors."""
    routes = _Routes(models)
    app.add_route("/v2", routes.server, ["GET"])
    app.add_route("/v2/health/live", routes.live, ["GET"])
    app.add_route("/v2/health/ready", routes.ready, ["GET"])
    app.add_route("/v2/models", routes.names, ["GET"])
    for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        app.add_route(base, routes.metadata, ["GET"])
        app.add_route(f"{base}/ready", routes.model_ready, ["GET"])
        app.add_route(f"{base}/infer", routes.infer, ["POST"])
    for action in ("load", "unload"):
        app.add_route(f"/v2/repository/models/{{name}}/{action}", routes.change, ["POST"])


class _Routes:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def server(self, _: Request) -> Response:
        return _json(self._models.server())

    async def live(self, _: Request) -> Response:
        return _json({"live": True})

    async def ready(self, _: Request) -> Response:
        _require_ready(self._models.ready)
        return _json({"ready": True})

    async def names(self, _: Request) -> Response:
        return _json({"models": self._models.names()})

    async def metadata(self, request: Request) -> Response:
        return _json(self._models.metadata(*_named(request)))

    async def model_ready(self, request: Request) -> Response:
        name, version = _named(request)
        _require_ready(self._models.is_ready(name, version))
        return _json({"name": name, "ready": True})

    async def infer(self, request: Request) -> Response:
        self._models.require(*_named(request))  # refuse before reading the body
        length = _json_length(request)
        try:
            body = await read_body(request.receive)
        except ClientDisconnected:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        received = await self._models.offload.call(len(body), read_call, body, json_length=length, every=OUTPUTS)
        inferred = await self._models.infer(received.call)
        content, written = write_response(
            inferred.model, inferred.outputs, request_id=received.call.id, binary=received.binary
        )
        if written is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={JSON_LENGTH: str(written)})

    async def change(self, _: Request) -> Response:
        raise NotServed("The model can't be changed while it serves.", remedy="Deploy another bundle instead.")


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")


def _json_length(request: Request) -> int | None:
    length = request.headers.get(JSON_LENGTH)
    if length is None:
        # Triton's asyncio client declares JSON as octets too: only the header distinguishes the two forms.
        require_json(request.headers.get("content-type"), "application/octet-stream")
        return None
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise MalformedBody("Inference-Header-Content-Length isn't a number.", remedy="Count the bytes of the JSON.")
    return int(length)


def _require_ready(ready: bool) -> None:
    if not ready:
        raise NotReady("The model isn't ready.", remedy="Try again shortly; the server's log has the reason.")


def _json(document: Any) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")
