"""Builds the HTTP application: the scoring application, and KServe's endpoints with this service's refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from customer_risk.serving.contract.problem import KINDS
from customer_risk.serving.errors import MalformedBody, NotFound, NotReady, UnknownModel, WrongMethod
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import NotAnswered, current
from customer_risk.serving.http.responses import response_of
from customer_risk.serving.http.scoring_app import InFlight, Mount, ScoringApp
from customer_risk.serving.kserve.v2.http import CLIENT_CLOSED_REQUEST
from customer_risk.serving.kserve.v2.http import register as register_v2
from customer_risk.serving.kserve.v2.models import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    from customer_risk.serving.http.budget import Budget
    from customer_risk.serving.store.idempotency import Idempotency


def application(
    exchange: Exchange,
    data_plane: DataPlane,
    models: ModelRepositoryExtension,
    *,
    endpoints: Mapping[str, Mount] | None = None,
    keys: Callable[[], Idempotency] | None = None,
    in_flight: InFlight | None = None,
    budget: Budget | None = None,
) -> ScoringApp:
    """Return the application.

    KServe's own server adds middleware that times and logs every request, and a log line with a traceback for every
    refusal. Therefore only KServe's public registrations are used.
    """
    app = FastAPI(title="customer-risk", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_api_route("/", data_plane.live)
    register_v1_endpoints(app, data_plane, models)
    register_v2(app, Models(exchange))

    async def refuse(request: Request, error: Exception) -> Response:
        response = response_of(exchange.refuse_now(_translated(error), current.get()), request.scope["path"])
        return Response(response.body, response.status, dict(response.headers), response.media_type)

    async def end(_: Request, __: Exception) -> Response:
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    app.add_exception_handler(ClientDisconnect, end)
    # The router refuses by the statuses 404 and 405.
    for error in (*KINDS, NotAnswered, ModelNotReady, ServerNotReady, ModelNotFound, InvalidInput, 404, 405, Exception):
        app.add_exception_handler(error, refuse)
    return ScoringApp(app, exchange, endpoints=endpoints, keys=keys, in_flight=in_flight, budget=budget)


def _translated(error: Exception) -> Exception:
    """Return this service's error for an error of KServe's."""
    match error:
        case ModelNotReady() | ServerNotReady():
            return NotReady("The model isn't ready.", remedy="Try again shortly; the server's log has the reason.")
        case ModelNotFound():
            return UnknownModel("No model of this name is served.", remedy="GET /v1/models lists them.")
        case InvalidInput():
            return MalformedBody(f"{error}.", remedy="Send a request of the protocol.")
        case HTTPException(status_code=404):
            return NotFound("This path doesn't exist.", remedy="/ai/v1/docs lists all paths.")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "")
            return WrongMethod("This method isn't allowed here.", remedy=f"Use {allowed}.", allowed=allowed)
        case _:
            return error
