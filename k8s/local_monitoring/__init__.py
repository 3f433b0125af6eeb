"""Prometheus, Alertmanager and a webhook on this machine's loopback, for the alert demo and for tests."""
