"""Signatures, against the vectors of the reference."""

from __future__ import annotations

import hashlib
from uuid import RFC_4122, UUID

import jwt
import pytest

from upbit.auth import body_text, encode, query_text, signer, token, unpadded

SECRET = "0123456789abcdef0123456789abcdef01234567"
VECTORS = {
    "market=KRW-BTC": (
        "b749dfc2e17f75e5b46c8161f97fe7c9298ed4167ea21c5c94d16573efd8a801"
        "351470c0ff1a9a3f1e763f8249968218c04c571c8b45aa80cd4588e6c4be0738"
    ),
    "market=KRW-BTC&states[]=wait&states[]=watch&limit=10": (
        "e3cfc649139c595e1c26a8aa2b3c8504f4b15011fc2b819081451e5e845172bd"
        "5dbbb5110ec5d7a3d1d32ff71f46a78323a040e8bedf8672021fd2206190a3a8"
    ),
    "market=KRW-BTC&side=bid&volume=0.001&price=50000000&ord_type=limit": (
        "7a1eb1d7da6191e65ee8ae0fcb65c83f16b88bf05a9d252cd075a6c0abfcf304"
        "5e3c377378a034a11da9abf9cb00ad1435525991ddf110614b81814773499233"
    ),
    "uuids[]=u1&uuids[]=u2": (
        "721c602c78bc1222ce06ab9fc99593764780273b7a117f8ed251a9017599152e"
        "478903e4a552f644c19149fd04cc17f2efb56d182c6ce400a30bc9e7ffa7b111"
    ),
    "start_time=2025-06-24T13:56:53+09:00&states[]=done&states[]=cancel": (
        "d3dab45bc18cfeb40cfbd7f94f2c1dae04ccbc0466051e4b84396e02a8e51712"
        "d1d99268c1e219a1a6808ea16cfd262c1d52088a1beabbe330965a628f1b629f"
    ),
}


@pytest.fixture(autouse=True)
def unknown_key() -> None:
    """Have no key been looked at before."""
    signer.cache_clear()


def claims(signed: str) -> dict[str, str]:
    """Read a token without checking it."""
    return dict(jwt.decode(signed, options={"verify_signature": False}))


@pytest.mark.parametrize(("text", "hashed"), VECTORS.items())
def test_the_hash_of_a_query_is_upbits(text: str, hashed: str) -> None:
    """Whatever is encoded on the way, the hash is of the decoded text in the order of sending."""
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in text.split("&"))]
    query = encode(pairs)
    signed = claims(token("AK", SECRET, query_text(query)))
    assert signed == {**signed, "access_key": "AK", "query_hash": hashed, "query_hash_alg": "SHA512"}
    assert len(signed) == 4
    assert claims(token("AK", SECRET, query_text(query.replace("[]", "%5B%5D"))))["query_hash"] == hashed


def test_a_body_is_hashed_in_its_order() -> None:
    """Nothing is sorted or encoded."""
    body = {"market": "KRW-BTC", "side": "bid", "volume": "0.001", "price": "50000000", "ord_type": "limit"}
    assert hashlib.sha512(body_text(body).encode()).hexdigest() == VECTORS[body_text(body)]
    assert body_text(dict(reversed(body.items()))) != body_text(body)


def test_colons_commas_and_pluses_are_encoded_and_come_back() -> None:
    """An unencoded plus would arrive as a space."""
    assert encode([("to", "13:56+09:00"), ("markets", "A,B")]) == "to=13%3A56%2B09%3A00&markets=A%2CB"
    assert encode([("uuids[]", "a/b[c]"), ("x/y", "")]) == "uuids[]=a%2Fb%5Bc%5D&x%2Fy="
    assert query_text("to=13%3A56%2B09%3A00") == "to=13:56+09:00"


def test_the_published_token_comes_out() -> None:
    """The HS256 vector of the reference: raw key, header and claims in this order."""
    assert token("AK", SECRET, nonce="6f2d6f0e-1d6c-4b7f-9c3e-6b1b6c1d2e3f", algorithm="HS256") == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhY2Nlc3Nfa2V5IjoiQUsiLCJub25jZSI6IjZmMmQ2ZjBlLTFkNmMtNGI3Zi05YzNlLTZi"
        "MWI2YzFkMmUzZiJ9.2edx93fnr6aCpXtArQLuX3M5kWt4Jv7Q7WVjqNCghqA"
    )


def test_only_padding_is_taken_off() -> None:
    """A signature may end in any letter."""
    assert [unpadded(content) for content in (b"", b"a", b"ab", b"abc")] == [b"", b"YQ", b"YWI", b"YWJj"]
    assert unpadded(b"\x5d\x75\xd7\xfb\xff\xff") == b"XXXX-___"
    assert unpadded(b"\x5d\x75\xd7") == b"XXXX"


def test_every_token_is_hs512_and_fresh() -> None:
    """No two attempts share a nonce, and a request without parameters carries no hash."""
    first, second = token("AK", SECRET), token("AK", SECRET)
    assert jwt.get_unverified_header(first) == {"alg": "HS512", "typ": "JWT"}
    assert claims(first)["nonce"] != claims(second)["nonce"]
    for nonce in (claims(one)["nonce"] for one in (first, second)):
        read = UUID(nonce)
        assert (str(read), read.version, read.variant) == (nonce, 4, RFC_4122)
    assert set(claims(first)) == {"access_key", "nonce"}
