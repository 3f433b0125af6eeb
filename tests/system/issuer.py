"""An issuer of tokens, with a key set for a file that a server reads."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.example", "customer-risk"
_KEY_ID: Final = "k-1"


class Issuer:
    """Signs tokens; `jwks` is its key set as JSON."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        self.jwks = json.dumps({"keys": [public | {"kid": _KEY_ID, "use": "sig", "alg": "RS256"}]})

    def token(self, client: str, *scopes: str) -> str:
        """Return a token of a client with these scopes."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 86_400, "azp": client, "scope": " ".join(scopes)}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def settings(self, jwks: str) -> dict[str, Any]:
        """Return the section `auth` of a server's settings; `jwks` is the path of the key set."""
        return {"enabled": True, "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks}
