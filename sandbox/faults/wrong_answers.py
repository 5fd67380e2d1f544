"""Answers that are not the exchange's own, or that never arrive whole."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.limits import RULES
from sandbox.refusals import CATALOGUE, ApiError, quotation_error, refuse
from sandbox.rest.api import JSON, Response
from sandbox.wire import http_date, to_json

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.faults.exchange_faults import Sleep
    from sandbox.faults.plan import Answered, Body, How, RefusedAnswer

WEBSOCKET, WEBHOOK = "websocket", "webhook"  # what `groups` calls requests that are in no group of the limits
SILENT_S = 120  # loop seconds until even a client that waits for ever is rid of the connection
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what makes a close a reset
GATEWAY = (
    b"<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
PORTAL = b"<!doctype html><title>Welcome</title><p>Please accept the terms of this network to go on.</p>\n"
PLAIN = b"Too many API requests."
OTHER = b'{"result":"ok","data":[]}'
HTML, TEXT = "text/html", "text/plain"


def send(answer: Response) -> web.StreamResponse:
    """Return an answer for the wire."""
    response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    response.content_type = answer.content_type
    return response


async def send_half(request: web.BaseRequest, answer: Response) -> web.StreamResponse:
    """Begin an answer, and end the connection in the middle of its body."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def vanish(request: web.BaseRequest, how: How, sleep: Sleep) -> web.StreamResponse:
    """Never answer: reset the connection now, or once the client has gone."""
    transport = request.transport
    seconds = SILENT_S if how == "silence" else 0
    while seconds and transport is not None and not transport.is_closing() and await sleep(0, at_least=1.0):
        seconds -= 1
    if transport is not None and not transport.is_closing():
        own = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()
    return web.Response(status=500)  # nobody is there to read it


def other(rule: Answered, real: Response | None, group: str, now: datetime) -> Response:
    """Return the answer of a rule; some bodies are made of the real one, or of an error's when there is none."""
    if rule.body == "no_route":  # from the gateway, which knows nothing of groups
        return Response(404, to_json(refuse("not_found").body()), {"Date": http_date(now)})
    error = to_json(ApiError(rule.status, "internal_server_error", "Internal Server Error").body())
    true = real.body if real is not None and real.body else error
    kinds: dict[Body, tuple[str, bytes]] = {
        "json": (JSON, error),
        "html": (HTML, GATEWAY % (rule.status, rule.status)),
        "portal": (HTML, PORTAL),
        "plain": (TEXT, PLAIN),
        "empty": (JSON, b""),
        "wrong": (JSON, OTHER),
        "cut": (JSON, true[: len(true) // 2]),
        "truncated": (JSON, true),
    }
    content_type, body = kinds[rule.body]
    return Response(rule.status, body, headers_of(group, now), content_type)


def refusal(rule: RefusedAnswer, left_ms: int, group: str, now: datetime) -> Response:
    """Return an error of the exchange; one that blocks says how long the rule still holds."""
    headers = headers_of(group, now)
    if rule.retry_after_s is not None:
        headers["Retry-After"] = f"{rule.retry_after_s:g}"
    if group == WEBHOOK:
        return discord_refusal(rule, headers)
    error = as_said_in(group, rule.error)
    blocked = f". Try again after {-(-left_ms // 1000)} seconds." if error.status == 418 else ""  # noqa: PLR2004
    body = {"error": {"name": error.name, "message": error.message + blocked}}
    return Response(error.status, to_json(body), headers)


def as_said_in(group: str, name: str) -> ApiError:
    """Return an error as its side of the interface says it: the quotation side has numbers for the limits' names."""
    status, message = CATALOGUE[name]
    numbered = group in RULES and RULES[group].quotation and status in {418, 429}
    return quotation_error(status, message) if numbered else refuse(name)


def discord_refusal(rule: RefusedAnswer, headers: dict[str, str]) -> Response:
    """Return how Discord refuses a message: its own limit, or that there is no such webhook."""
    status, _ = CATALOGUE[rule.error]
    if status == 429:  # noqa: PLR2004 - too many requests
        wait = rule.retry_after_s or 1.0
        body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
        return Response(429, to_json(body), headers)
    return Response(status, to_json({"message": "Unknown Webhook", "code": 10015}), headers)


def headers_of(group: str, now: datetime) -> dict[str, str]:
    """Return the headers that even a failing exchange sends."""
    headers = {"Date": http_date(now)}
    if group in RULES and group != WEBSOCKET:
        headers["Remaining-Req"] = f"group={group}; min={RULES[group].minute}; sec=0"
    return headers
