"""Real Prometheus and Alertmanager processes for tests."""
