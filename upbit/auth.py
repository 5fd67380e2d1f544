"""Upbit's token: HS512, a fresh nonce for every attempt, and the hash of exactly what is sent.

https://docs.upbit.com/kr/reference/auth
"""

from __future__ import annotations

import hashlib
import hmac
import os
import warnings
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import jwt
import msgspec
from jwt.warnings import InsecureKeyLengthWarning

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


class Signer:
    """Signs with one secret. What does not change from token to token is made once, by PyJWT.

    The secret is used as raw text: it is not base64. Upbit's are shorter than HS512 likes, and cannot be padded.
    """

    def __init__(self, secret_key: str, algorithm: str) -> None:
        with warnings.catch_warnings(action="ignore", category=InsecureKeyLengthWarning):
            whole = jwt.encode({}, secret_key, algorithm)
        self._keyed = hmac.new(secret_key.encode(), digestmod={"HS256": "sha256", "HS512": "sha512"}[algorithm])
        self._head = whole.partition(".")[0].encode() + b"."

    def sign(self, claims: bytes) -> str:
        """Return the token of some claims, which are JSON."""
        told = self._head + unpadded(claims)
        signature = self._keyed.copy()
        signature.update(told)
        return (told + b"." + unpadded(signature.digest())).decode("ascii")


signer = lru_cache(maxsize=8)(Signer)
"""The signer of a secret and an algorithm, made at its first use."""


def unpadded(content: bytes) -> bytes:
    """Return base64 for addresses, without the padding, as tokens have it (RFC 7515, 2)."""
    return urlsafe_b64encode(content).rstrip(b"=")


def fresh() -> str:
    """Return a random UUID (RFC 9562, version 4) as text: `uuid` takes ten times as long to make one."""
    drawn = os.urandom(16).hex()
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-8{drawn[17:20]}-{drawn[20:]}"


def token(access_key: str, secret_key: str, hashed: str = "", *, nonce: str = "", algorithm: str = "HS512") -> str:
    """Sign one attempt. `hashed` is the text of the query or body, empty when there is neither."""
    claims = {"access_key": access_key, "nonce": nonce or fresh()}
    if hashed:
        claims["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return signer(secret_key, algorithm).sign(msgspec.json.encode(claims))
