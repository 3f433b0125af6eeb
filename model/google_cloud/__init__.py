"""Shared by all clients of Google Cloud: credentials, endpoints, retries and the classification of errors.

Google's libraries take seconds to import and belong to an optional extra. Import this package's modules only from
modules that a factory loads lazily.
"""
