"""Offline: tables in, bundle, report and lists out."""
