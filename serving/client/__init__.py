"""The Python client of the risk service: typed answers, safe retries; it loads nothing of the server."""

from __future__ import annotations

from customer_risk.serving.client.answers import Answer, Item, Job, Model, Pattern, Reason, Warned
from customer_risk.serving.client.client import RiskClient
from customer_risk.serving.client.errors import BadAnswerError, ClientError, JobError, RefusedError, UnreachableError
from customer_risk.serving.client.retrying import Patience

__all__ = [
    "Answer",
    "BadAnswerError",
    "ClientError",
    "Item",
    "Job",
    "JobError",
    "Model",
    "Patience",
    "Pattern",
    "Reason",
    "RefusedError",
    "RiskClient",
    "UnreachableError",
    "Warned",
]
