"""The endpoints that don't make decisions."""
