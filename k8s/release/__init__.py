"""Deploying a release so that it is known to answer: Helm, then a gate that waits for what Helm doesn't."""
