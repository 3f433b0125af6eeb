"""What every client of Google Cloud shares: credentials, endpoints, retries and the meaning of errors.

Google's libraries take seconds to import and belong to an optional extra. Import this package's modules only from
modules that a factory loads lazily.
"""
