"""Paths beside those for decisions."""
