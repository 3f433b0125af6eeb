"""An issuer of tokens, with its key and the key set that the service reads."""

from __future__ import annotations

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

ISSUER = "https://login.example.com/"
AUDIENCE = "customer-risk"


class Issuer:
    """Signs tokens."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())

    def keys(self) -> str:
        """Return the key set that verifies its tokens."""
        key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [key | {"kid": "e2e", "alg": "ES256", "use": "sig"}]})

    def token(self, *scopes: str) -> str:
        """Sign a token that lasts an hour."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "azp": "payments",
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "e2e"})
