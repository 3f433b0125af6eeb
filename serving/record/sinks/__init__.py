"""Sinks of the decision record: folders, object stores and tables."""
