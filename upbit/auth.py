"""Upbit's token: HS512, a fresh nonce for every attempt, and the hash of exactly what is sent.

https://docs.upbit.com/kr/reference/auth
"""

from __future__ import annotations

import hashlib
import uuid
import warnings
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import jwt
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


def token(access_key: str, secret_key: str, hashed: str = "", *, nonce: str = "", algorithm: str = "HS512") -> str:
    """Sign one attempt. `hashed` is the text of the query or body, empty when there is neither.

    The secret is used as raw text: it is not base64. Upbit's keys are shorter than HS512 likes; they cannot be padded.
    """
    claims = {"access_key": access_key, "nonce": nonce or str(uuid.uuid4())}
    if hashed:
        claims["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(claims, secret_key, algorithm=algorithm)
