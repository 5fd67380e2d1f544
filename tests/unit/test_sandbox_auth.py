"""Tokens of the sandbox: what verifies and what each failure is called."""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from sandbox.auth import ApiKey, TokenCheck, body_texts, query_texts, read_token
from sandbox.refusals import ApiError

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = "0123456789abcdef0123456789abcdef01234567"
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhY2Nlc3Nfa2V5IjoiQUsiLCJub25jZSI6IjZmMmQ2ZjBlLTFkNmMtNGI3Zi05YzNlLTZiMWI2YzFk"
    "MmUzZiJ9.2edx93fnr6aCpXtArQLuX3M5kWt4Jv7Q7WVjqNCghqA"
)
QUERIES = {
    "market=KRW-BTC": "b749dfc2e17f75e5b46c8161f97fe7c9298ed4167ea21c5c94d16573efd8a801",
    "market=KRW-BTC&states%5B%5D=wait&states%5B%5D=watch&limit=10": "e3cfc649139c595e1c26a8aa2b3c8504f4b15011fc2b8190",
    "market=KRW-BTC&states[]=wait&states[]=watch&limit=10": "e3cfc649139c595e1c26a8aa2b3c8504f4b15011fc2b8190",
    "uuids%5B%5D=u1&uuids[]=u2": "721c602c78bc1222ce06ab9fc99593764780273b7a117f8ed251a9017599152e",
    "start_time=2025-06-24T13%3A56%3A53%2B09%3A00&states%5B%5D=done&states%5B%5D=cancel": "d3dab45bc18cfeb4",
}


def make_gate(**changes: object) -> TokenCheck:
    """Return a gate with one key."""
    fields: dict[str, object] = {"access_key": "AK", "secret_key": SECRET, "expires_at": NOW + timedelta(days=1)}
    return TokenCheck([ApiKey(**(fields | changes))])  # type: ignore[arg-type]  # a test builds keys from loose fields


def sign(claims: dict[str, object], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """Return an Authorization header as PyJWT makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # HS512 with a 40 character key is what Upbit recommends
        return "Bearer " + jwt.encode({"access_key": "AK", "nonce": "n1"} | claims, secret, algorithm=algorithm)


def failure(authorization: str | None, *texts: str, gate: TokenCheck | None = None, ip: str = "127.0.0.1") -> str:
    """Return the name of the error a header leads to, or an empty text."""
    try:
        (gate or make_gate()).check(read_token(authorization), texts, ip=ip, now=NOW)
    except ApiError as error:
        return str(error.name) if error.status == 401 else f"not a 401: {error}"
    return ""


def test_the_documented_token_verifies() -> None:
    """The published JWT vector is believed."""
    assert failure("Bearer " + VECTOR) == ""


@pytest.mark.parametrize(("raw", "digest"), QUERIES.items())
def test_query_vectors_hash_as_documented(raw: str, digest: str) -> None:
    """Encoded and literal spellings of a query hash to the published values, in sent order."""
    (text,) = query_texts(raw)
    full = hashlib.sha512(text.encode()).hexdigest()
    assert full.startswith(digest)
    assert failure(sign({"query_hash": full, "query_hash_alg": "SHA512"}), text) == ""


def test_a_body_is_hashed_in_its_own_order() -> None:
    """The published vector of an order body verifies, numbers and order as sent."""
    body = {"market": "KRW-BTC", "side": "bid", "volume": "0.001", "price": "50000000", "ord_type": "limit"}
    (text,) = body_texts(body)
    assert hashlib.sha512(text.encode()).hexdigest().startswith("7a1eb1d7da6191e65ee8ae0fcb65c83f16b88bf05a9d252c")
    assert body_texts(dict(reversed(body.items()))) != [text]


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_both_documented_algorithms_verify(algorithm: str) -> None:
    """HS256 and HS512 are both accepted."""
    assert failure(sign({}, algorithm=algorithm)) == ""


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (None, "no_authorization_token"),
        ("Basic abc", "no_authorization_token"),
        ("Bearer rubbish", "jwt_verification"),
        ("Bearer a.b.c", "jwt_verification"),
        (sign({}, secret="x" * 40), "jwt_verification"),
        (sign({}, algorithm="HS384"), "jwt_verification"),
        ("Bearer " + jwt.encode({"access_key": "AK", "nonce": "1"}, "", algorithm="none"), "jwt_verification"),
        (sign({"access_key": "other"}), "invalid_access_key"),
        (sign({"nonce": 7}), "jwt_verification"),
        (sign({"query_hash": "00"}), "invalid_query_payload"),
    ],
)
def test_each_broken_token_has_its_name(authorization: str | None, name: str) -> None:
    """What is wrong with a token decides the error name."""
    assert failure(authorization) == name


def test_parameters_without_a_hash_are_refused() -> None:
    """A request with parameters needs their hash, and the right one."""
    assert failure(sign({}), "market=KRW-BTC") == "invalid_query_payload"
    other = hashlib.sha512(b"market=KRW-ETH").hexdigest()
    assert failure(sign({"query_hash": other}), "market=KRW-BTC") == "invalid_query_payload"


def test_a_missing_hash_algorithm_means_sha512() -> None:
    """The algorithm may be left out, and another one must be named."""
    text = "market=KRW-BTC"
    assert failure(sign({"query_hash": hashlib.sha512(text.encode()).hexdigest()}), text) == ""
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert failure(sign({"query_hash": digest}), text) == "invalid_query_payload"
    assert failure(sign({"query_hash": digest, "query_hash_alg": "SHA256"}), text) == ""


def test_a_nonce_works_once() -> None:
    """The same token twice is `nonce_used`, a new nonce works again."""
    gate = make_gate()
    assert failure(sign({}), gate=gate) == ""
    assert failure(sign({}), gate=gate) == "nonce_used"
    assert failure(sign({"nonce": "anything at all"}), gate=gate) == ""


def test_an_address_off_the_list_is_refused() -> None:
    """A key with a list of addresses works from those only."""
    gate = make_gate(ips=frozenset({"10.0.0.1"}))
    assert failure(sign({}), gate=gate) == "no_authorization_ip"
    assert failure(sign({"nonce": "n2"}), gate=gate, ip="10.0.0.1") == ""


def test_an_expired_key_is_refused() -> None:
    """A key ends at its expiry."""
    assert failure(sign({}), gate=make_gate(expires_at=NOW)) == "expired_access_key"


def test_the_secret_is_not_in_the_repr() -> None:
    """A key can be logged without its secret."""
    assert SECRET not in repr(next(iter(make_gate().keys.values())))


def test_an_unused_field_sent_as_null_may_be_hashed_in_any_known_way() -> None:
    """A null may be left out of the hash or written as Python and others write it."""
    texts = body_texts({"market": "KRW-BTC", "price": None})
    assert {"market=KRW-BTC", "market=KRW-BTC&price=None", "market=KRW-BTC&price=null"} <= set(texts)


def test_a_space_may_be_hashed_as_a_plus() -> None:
    """Both readings of a space in a body value verify."""
    assert body_texts({"identifier": "a b"}) == ["identifier=a b", "identifier=a+b"]


def test_only_so_many_nonces_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten when there are too many, so a sandbox that runs for months stays small."""
    monkeypatch.setattr("sandbox.auth.NONCES_KEPT", 2)
    gate = make_gate()
    for nonce in ("a", "b", "c", "a"):
        gate.check(read_token(sign({"nonce": nonce})), (), ip="", now=NOW)
    with pytest.raises(ApiError, match="nonce_used"):
        gate.check(read_token(sign({"nonce": "c"})), (), ip="", now=NOW)
