"""The OpenAPI document of the HTTP interface, made from the types that decode and encode it."""

from __future__ import annotations

from customer_risk.serving.openapi.document import render_document
from customer_risk.serving.openapi.page import render_page

__all__ = ["render_document", "render_page"]
