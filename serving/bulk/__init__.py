"""Bulk scoring: jobs that clients submit, and whole tables."""
