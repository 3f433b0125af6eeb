"""Signed tokens (JWT): reads the key set of an issuer, and verifies a token with it."""
