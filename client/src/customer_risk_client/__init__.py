"""Python clients of the customer-risk service: typed answers and safe retries, synchronous and asynchronous."""

from __future__ import annotations

from customer_risk_client.answers import Answer, BadField, Item, Job, Model, Pattern, Problem, Reason, RequestWarning
from customer_risk_client.attempts import Patience
from customer_risk_client.calls import Format, Request
from customer_risk_client.clients import AsyncRiskClient, RiskClient
from customer_risk_client.errors import BadAnswerError, ClientError, JobError, RefusedError, UnreachableError

__all__ = [
    "Answer",
    "AsyncRiskClient",
    "BadAnswerError",
    "BadField",
    "ClientError",
    "Format",
    "Item",
    "Job",
    "JobError",
    "Model",
    "Patience",
    "Pattern",
    "Problem",
    "Reason",
    "RefusedError",
    "Request",
    "RequestWarning",
    "RiskClient",
    "UnreachableError",
]
