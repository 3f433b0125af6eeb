"""Measures the service beside its peers: `.venv/bin/python -m benchmarks.serving`."""
