"""The webhook of the alert demo, for tests."""

from __future__ import annotations

from k8s.local_monitoring.webhook import Alert, Webhook, webhook

__all__ = ["Alert", "Webhook", "webhook"]
