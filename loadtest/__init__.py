"""A load test of a running service."""
