"""Authentication by OIDC access tokens, verified with the issuer's published keys; rate limits."""
