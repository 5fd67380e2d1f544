"""Upbit's token: HS512, a fresh nonce for every attempt, and the hash of exactly what is sent.

https://docs.upbit.com/kr/reference/auth
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def base64url(content: bytes) -> bytes:
    """Return bytes as a token has them: in the alphabet of addresses, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")


HASHES = {"HS256": "sha256", "HS512": "sha512"}
HEADERS = {name: base64url(msgspec.json.encode({"alg": name, "typ": "JWT"})) for name in HASHES}
"""The first part of every token, by algorithm."""


def encode(params: Iterable[tuple[str, str]]) -> str:
    """Return a query string, every name and value percent-encoded, in the given order."""
    return "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in params)


def query_text(query: str) -> str:
    """Return what is hashed for a query string: the string as sent, percent-decoded, never sorted."""
    return unquote(query)


def body_text(body: Mapping[str, str]) -> str:
    """Return what is hashed for a JSON body: its pairs in body order, not encoded."""
    return "&".join(f"{name}={value}" for name, value in body.items())


def token(access_key: str, secret_key: str, hashed: str = "", *, nonce: str = "", algorithm: str = "HS512") -> str:
    """Sign one attempt. `hashed` is the text of the query or body, empty when there is neither.

    The secret is used as raw text: it is not base64. Made by hand because it stands between a decision and its order:
    a library checks the key and writes the header anew each time. https://datatracker.ietf.org/doc/html/rfc7519
    """
    claims = {"access_key": access_key, "nonce": nonce or str(uuid.uuid4())}
    if hashed:
        claims["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    signed = HEADERS[algorithm] + b"." + base64url(msgspec.json.encode(claims))
    signature = hmac.digest(secret_key.encode(), signed, HASHES[algorithm])
    return (signed + b"." + base64url(signature)).decode()
