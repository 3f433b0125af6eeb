"""Customers and transactions: their schema, reading, mapping, checks, cleaning and a synthetic source."""
