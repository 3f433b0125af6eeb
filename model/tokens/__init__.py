"""Signed tokens (JWT) of an issuer: its key set, and a token's verification."""
