"""Endpoints other than those for decisions."""
