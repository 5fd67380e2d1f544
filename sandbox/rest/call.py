"""One HTTP request as the exchange sees it, and how its parameters are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from sandbox.auth import body_texts, query_texts
from sandbox.refusals import ApiError, refuse
from sandbox.wire import read_json, read_natural, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.auth import ApiKey
    from sandbox.keys import PocketId


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that was read completely. `query` is the raw text after the question mark."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    ip: str
    body: bytes = b""
    key: ApiKey | None = None  # once it was checked

    @property
    def pocket(self) -> PocketId:
        """Return the pocket whose key was checked."""
        assert self.key is not None
        return self.key.pocket

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Parameters of a GET or DELETE in sent order; older clients send them as a body instead of a query."""
        if self.query or not self.body:
            return parse_qsl(self.query, keep_blank_values=True)
        if self._is_form:
            return parse_qsl(self._form, keep_blank_values=True)
        pairs: list[tuple[str, str]] = []
        for name, value in self.json.items():
            values = value if isinstance(value, list) else [value]
            pairs += [(name, str(item)) for item in values if item is not None]
        return pairs

    def one(self, name: str) -> str | None:
        """Return the first value of a parameter."""
        return next((value for key, value in self.fields if key == name), None)

    def about(self, market: str) -> Call:
        """Return the same call about one market."""
        kept = [(name, value) for name, value in self.fields if name not in {"market", "markets"}]
        named = [(name, market) for name in ("market", "markets") if self.one(name) is not None]
        return replace(self, query=urlencode([*named, *kept]), body=b"")

    def many(self, name: str) -> list[str]:
        """Return the values of an array parameter, spelled `name[]`."""
        return [value for key, value in self.fields if key == f"{name}[]"]

    @cached_property
    def json(self) -> dict[str, object]:
        """Return the JSON object of the body, numbers as the text they were sent as, or raise `invalid_parameter`."""
        if not self.body:
            return {}
        try:
            read = read_json(self.body, parse_float=str, parse_int=str)
            to_json(read)  # half of a surrogate pair is a string for JSON and none for anybody else
        except (ValueError, RecursionError) as error:
            raise refuse("invalid_parameter", "JSON") from error
        if not isinstance(read, dict):
            raise refuse("invalid_parameter", "JSON")
        return read

    def hashed(self) -> list[str]:
        """Return the texts whose hash the token may carry; empty when the request has no parameters."""
        if self.query and self.method != "POST":
            return query_texts(self.query)
        if not self.body:
            return query_texts(self.query)
        if self._is_form:
            return query_texts(self._form)
        try:
            return body_texts(self.json)
        except ApiError:  # whoever is allowed in is told what is wrong with it
            return [self._form]

    @property
    def _is_form(self) -> bool:
        return self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")

    @property
    def _form(self) -> str:
        return self.body.decode("utf-8", "replace")


def read_count(text: str | None, *, default: int, least: int, most: int, name: str) -> int:
    """Read an integer parameter of the exchange side, or raise `invalid_parameter`."""
    if text is None:
        return default
    count = read_natural(text)
    if count is None or not least <= count <= most:
        raise refuse("invalid_parameter", name)
    return count
