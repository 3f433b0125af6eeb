"""Who calls: OIDC access tokens, verified with the issuer's published keys."""
