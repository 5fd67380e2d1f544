"""Who is asking: JWT verification (HS256 and HS512), query hashes, nonces, and what a key may do."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.keys import TRADING, PocketId
from sandbox.refusals import refuse
from sandbox.wire import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

# How many nonces of a key are remembered; how long the real exchange does is not documented.
NONCES_KEPT = 20_000

_DIGESTS = {"HS256": "sha256", "HS512": "sha512"}
_QUERY_HASHES = {"SHA512": hashlib.sha512, "SHA384": hashlib.sha384, "SHA256": hashlib.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key of a pocket; `ips` None allows every address."""

    access_key: str
    secret_key: str = field(repr=False)
    expires_at: datetime
    permissions: frozenset[str] = TRADING
    ips: frozenset[str] | None = None
    pocket: PocketId = field(default_factory=PocketId)


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT taken apart but not yet believed."""

    algorithm: str
    claims: Mapping[str, object]
    signed: bytes
    signature: bytes

    @property
    def access_key(self) -> str:
        """Return the claimed access key, empty when there is none."""
        claimed = self.claims.get("access_key")
        return claimed if isinstance(claimed, str) else ""


def read_token(authorization: str | None) -> Token:
    """Take the `Authorization` header apart; raise the exchange's 401 when there is nothing usable in it."""
    if not authorization:
        raise refuse("no_authorization_token")
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise refuse("no_authorization_token")
    try:
        signed, signature = text.strip().encode("ascii").rsplit(b".", 1)
        header, payload = (read_json(_decode(part)) for part in signed.split(b"."))
        token = Token(header["alg"], payload, signed, _decode(signature))
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise refuse("jwt_verification") from error
    if not isinstance(payload, dict):
        raise refuse("jwt_verification")
    return token


def _decode(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


class TokenCheck:
    """Checks tokens against the keys of the sandbox."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self.keys: dict[str, ApiKey] = {}
        for key in keys:
            if self.keys.setdefault(key.access_key, key) is not key:
                raise ValueError(f"two API keys are called {key.access_key!r}")
        self._nonces: dict[str, OrderedDict[str, None]] = {}

    def check(self, token: Token, hashed: Iterable[str], *, ip: str, now: datetime) -> ApiKey:
        """Return the key behind a token, or raise the exchange's 401.

        `hashed` are the texts whose hash the token may carry; empty when the request has no parameters.
        """
        key = self.keys.get(token.access_key)
        if key is None:
            raise refuse("invalid_access_key")
        if not _signed_by(key, token):
            raise refuse("jwt_verification")
        self._use_nonce(key, token.claims.get("nonce"))
        if key.ips is not None and ip not in key.ips:
            raise refuse("no_authorization_ip")
        if now >= key.expires_at:
            raise refuse("expired_access_key")
        if not _hash_matches(token.claims, list(hashed)):
            raise refuse("invalid_query_payload")
        return key

    def _use_nonce(self, key: ApiKey, nonce: object) -> None:
        if not isinstance(nonce, str) or not nonce:
            raise refuse("jwt_verification")
        used = self._nonces.setdefault(key.access_key, OrderedDict())
        if nonce in used:
            raise refuse("nonce_used")
        used[nonce] = None
        if len(used) > NONCES_KEPT:
            used.popitem(last=False)


def _signed_by(key: ApiKey, token: Token) -> bool:
    digest = _DIGESTS.get(token.algorithm) if isinstance(token.algorithm, str) else None
    if digest is None:
        return False
    expected = hmac.digest(key.secret_key.encode(), token.signed, digest)
    return hmac.compare_digest(expected, token.signature)


def _hash_matches(claims: Mapping[str, object], texts: list[str]) -> bool:
    claimed, name = claims.get("query_hash"), claims.get("query_hash_alg", "SHA512")
    if not texts:
        return claimed is None or claimed == hashlib.sha512(b"").hexdigest()
    algorithm = _QUERY_HASHES.get(name) if isinstance(name, str) else None
    if algorithm is None or not isinstance(claimed, str):
        return False
    return any(algorithm(text.encode("utf-8", "replace")).hexdigest() == claimed for text in texts)


def query_texts(raw: str) -> list[str]:
    """Return what may be hashed for a query string (or a form body): percent-decoded in sent order, `+` kept."""
    return [unquote(raw)] if raw else []


def body_texts(body: Mapping[str, object]) -> list[str]:
    """Return what may be hashed for a JSON body, in body order.

    The client libraries disagree on two things no document settles, so each form is accepted: an unused field
    sent as null may be left out, empty, `None` or `null`; a space may have become a `+`.
    """
    if not body:
        return []
    nulls = (None, "", "None", "null") if None in body.values() else (None,)
    texts = ["&".join(_pairs(body, null)) for null in nulls]
    return texts + [text.replace(" ", "+") for text in texts if " " in text]


def _pairs(body: Mapping[str, object], null: str | None) -> Iterator[str]:
    for name, value in body.items():
        if isinstance(value, list):
            yield from (f"{name.removesuffix('[]')}[]={item}" for item in value)
        elif value is not None:
            yield f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        elif null is not None:
            yield f"{name}={null}"
