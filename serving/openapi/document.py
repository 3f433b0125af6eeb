"""The OpenAPI 3.1 document, rendered once when the server starts."""

from __future__ import annotations

from typing import Any

import msgspec

from customer_risk.serving.openapi.operations import PARAMETERS, TAGS, make_paths
from customer_risk.serving.openapi.refusals import make_responses
from customer_risk.serving.openapi.schemas import make_components

VERSION = "1"  # of the interface, as in its paths


def render_document(model: str) -> bytes:
    """Return the document of a server whose model is called `model`, as JSON; always the same bytes."""
    return msgspec.json.encode(make_document(model))


def make_document(model: str) -> dict[str, Any]:
    """Return the document as plain values."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Customer risk",
            "version": VERSION,
            "description": "Returns how risky a customer is, why, and the proposed action. The service never "
            "off-boards anyone: a named person does. Each refusal is a problem document (RFC 9457).",
        },
        "servers": [{"url": "/", "description": "this server"}],
        "tags": list(TAGS),
        "paths": make_paths(model),
        "components": {
            "schemas": make_components(),
            "responses": make_responses(),
            "parameters": PARAMETERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider with the scope that the operation names: score, "
                    "batch, explain (reasons with values and contributions) or admin. A server without "
                    "authentication, such as a local one, needs none.",
                }
            },
        },
    }
