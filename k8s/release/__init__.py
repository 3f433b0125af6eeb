"""Deploys a release with Helm, and waits until it answers correctly."""
