"""Upbit's token: HS512, a fresh nonce for every attempt, and the hash of exactly what is sent.

https://docs.upbit.com/kr/reference/auth
"""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def encode(params: Iterable[tuple[str, str]]) -> str:
    """Return a query string, every name and value percent-encoded, in the given order."""
    return "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in params)


def query_text(query: str) -> str:
    """Return what is hashed for a query string: the string as sent, percent-decoded, never sorted."""
    return unquote(query)


def body_text(body: Mapping[str, str]) -> str:
    """Return what is hashed for a JSON body: its pairs in body order, not encoded."""
    return "&".join(f"{name}={value}" for name, value in body.items())


class _Prepared(HMACAlgorithm):
    """PyJWT's HMAC with a key that it has looked at once, instead of with every token.

    Upbit's keys are shorter than HS512 likes; they cannot be padded, so nobody is warned of them.
    """

    def __init__(self, secret_key: str, algorithm: str) -> None:
        super().__init__({"HS256": self.SHA256, "HS512": self.SHA512}[algorithm])
        self._key = super().prepare_key(secret_key)

    def prepare_key(self, key: str | bytes) -> bytes:  # noqa: ARG002 - it is known already
        return self._key

    def check_key_length(self, key: bytes) -> None:
        """Say nothing."""


@lru_cache(maxsize=8)
def _signer(secret_key: str, algorithm: str) -> jwt.PyJWS:
    signer = jwt.PyJWS()
    signer.unregister_algorithm(algorithm)
    signer.register_algorithm(algorithm, _Prepared(secret_key, algorithm))
    return signer


def token(access_key: str, secret_key: str, hashed: str = "", *, nonce: str = "", algorithm: str = "HS512") -> str:
    """Sign one attempt. `hashed` is the text of the query or body, empty when there is neither.

    The secret is used as raw text: it is not base64.
    """
    claims = {"access_key": access_key, "nonce": nonce or str(uuid.uuid4())}
    if hashed:
        claims["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return _signer(secret_key, algorithm).encode(msgspec.json.encode(claims), secret_key, algorithm)
