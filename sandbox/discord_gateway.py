"""Discord for one bot: the requests, the gateway and the interactions that discord.py asks for, unmodified.

There is one application and one channel. Whoever tests is the people: `command` and `press` are what they do, `told` is
what they are shown. It refuses what Discord refuses: a wrong token, a command, button or message out of its limits, an
answer to an interaction that is over or answered already. https://docs.discord.com/developers/events/gateway,
https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from sandbox.discord import refused
from sandbox.discord_shapes import (
    APPLICATION,
    CHANNEL,
    EPHEMERAL,
    application,
    bot,
    interaction_of,
    is_command,
    is_message,
    message_of,
)
from sandbox.wire import read_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.discord import Reply

API, GATEWAY = "/api/v10/", "/gateway/"
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 9, 10, 11
HEARTBEAT_MS = 41_250
COMMAND, COMPONENT = 2, 3
"""Kinds of interactions."""
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE = 4, 5, 6, 7
"""Kinds of answers to one."""
AUTHENTICATION_FAILED = 4004
LATER = (("Via", "1.1 google"), ("X-RateLimit-Scope", "user"))

Payload = dict[str, Any]


@dataclass(slots=True)
class Shown:
    """One message as people see it now."""

    id: int
    interaction: int | None  # it answers; None: the bot sent it by itself
    body: Payload
    private: bool = False

    @property
    def text(self) -> str:
        """Every text in it."""
        return "\n".join([self.body.get("content") or "", *(one.get("description", "") for one in self.embeds)]).strip()

    @property
    def embeds(self) -> list[Payload]:
        """Its cards."""
        return self.body.get("embeds") or []

    @property
    def buttons(self) -> list[str]:
        """The names under which its buttons are pressed."""
        return [button["custom_id"] for row in self.body.get("components") or [] for button in row["components"]]


@dataclass(slots=True)
class Asked:
    """One interaction, and how far its answer has come."""

    id: int
    private: bool = False
    answer: int | None = None  # kind of the first answer
    message: int | None = None  # it shows, or changes
    over: bool = False  # its token is good for nothing any more


@dataclass(slots=True)
class Guild:
    """The server's side. `now_ms` tells the time that ids bear."""

    now_ms: Callable[[], int]
    token: str = "sandbox-bot-token"  # noqa: S105 - opens nothing but this
    commands: list[Payload] = field(default_factory=list)  # as the bot registered them
    messages: dict[int, Shown] = field(default_factory=dict)
    interactions: dict[str, Asked] = field(default_factory=dict)  # token: of it
    requests: list[tuple[str, str]] = field(default_factory=list)  # method and path, as they came
    limited: deque[float] = field(default_factory=deque)  # seconds until which the next requests are put off
    identified: int = 0
    resumed: int = 0
    changed: Callable[[], None] = lambda: None  # is called after everything that happens
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _sent: list[Payload] = field(default_factory=list)  # every event since the session began, for whoever resumes
    _ids: int = 0

    # --- what people do, and see

    @property
    def told(self) -> list[Shown]:
        """Messages as they are now, in the order in which they came."""
        return list(self.messages.values())

    async def command(
        self, name: str, options: Mapping[str, str] | None = None, *, user: int, channel: int = CHANNEL
    ) -> Payload:
        """Type a command; return the interaction, which `deliver` delivers once more."""
        given = [{"name": key, "type": 3, "value": value} for key, value in (options or {}).items()]
        data = {"id": "1", "name": name, "type": 1, "options": given}
        return await self.deliver(self._interaction(COMMAND, data, user, channel))

    async def press(
        self, message: Shown, button: str, *, user: int, channel: int = CHANNEL, over: bool = False
    ) -> Payload:
        """Press a button of a message, as it was once; return the interaction.

        With `over` it is delivered when it cannot be answered any more.
        """
        interaction = self._interaction(COMPONENT, {"custom_id": button, "component_type": 2}, user, channel)
        interaction["message"] = self._message(message)
        self.interactions[interaction["token"]] = Asked(int(interaction["id"]), message=message.id, over=over)
        return await self.deliver(interaction)

    async def deliver(self, interaction: Payload) -> Payload:
        """Send an interaction to the bot, as often as this is called."""
        await self.dispatch("INTERACTION_CREATE", interaction)
        return interaction

    async def cut(self) -> None:
        """Break every connection of the gateway."""
        cut, self._sockets = self._sockets, []
        for socket in cut:
            await socket.close(code=1001)

    @property
    def connected(self) -> int:
        """How many connections the bot has."""
        return len(self._sockets)

    # --- REST

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Reply, dict[str, str]]:
        """Answer a request as Discord would; return status, body and headers."""
        place = path.removeprefix(API)
        self.requests.append((method, place))
        try:
            return self._checked(method, place, headers, body)
        finally:
            self.changed()

    def _checked(
        self, method: str, place: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Reply, dict[str, str]]:
        if self.limited:
            wait_s = self.limited.popleft()
            told = {"message": "You are being rate limited.", "retry_after": wait_s, "global": False}
            return (429, to_json(told)), dict(LATER)
        known = place.startswith(("interactions/", "webhooks/"))  # their address is their key
        if not known and headers.get("Authorization") != f"Bot {self.token}":
            return refused(401, 0, "401: Unauthorized"), {}
        try:
            given = read_json(body) if body else {}
        except ValueError:
            return refused(400, 50109, "The request body contains invalid JSON."), {}
        return self._answer(method, place.split("/"), given), {}

    def _answer(self, method: str, place: list[str], given: Any) -> Reply:
        match (method, *place):
            case ("GET", "users", "@me"):
                reply: Reply = 200, to_json(bot())
            case ("GET", "oauth2", "applications", "@me"):
                reply = 200, to_json(application())
            case ("PUT", "applications", _, "commands"):
                reply = self._register(given)
            case ("POST", "channels", _, "messages"):
                reply = self._send(given)
            case ("POST", "interactions", _, token, "callback"):
                reply = self._first(token, given)
            case ("PATCH", "webhooks", _, token, "messages", "@original"):
                reply = self._edit(token, given)
            case _:
                reply = refused(404, 0, "404: Not Found")
        return reply

    def _register(self, given: Any) -> Reply:
        if not all(is_command(one) for one in given):
            return refused(400, 50035, "Invalid Form Body")
        ids = {"application_id": str(APPLICATION), "version": "1", "default_member_permissions": None}
        self.commands = [{**one, **ids, "id": str(at)} for at, one in enumerate(given, start=1)]
        return 200, to_json(self.commands)

    def _send(self, given: Payload, asked: Asked | None = None) -> Reply:
        """Show a new message."""
        if not is_message(given):
            return refused(400, 50035, "Invalid Form Body")
        private = asked is not None and asked.private
        shown = Shown(self._next_id(), asked.id if asked else None, given, private)
        self.messages[shown.id] = shown
        if asked is not None:
            asked.message = shown.id
        return 200, to_json(self._message(shown))

    def _change(self, asked: Asked, given: Payload) -> Reply:
        """Change the message an interaction is about."""
        shown = self.messages.get(asked.message or 0)
        if shown is None:
            return refused(404, 10008, "Unknown Message")
        if not is_message({**shown.body, **given}):
            return refused(400, 50035, "Invalid Form Body")
        shown.body = {**shown.body, **given}
        return 200, to_json(self._message(shown))

    def _first(self, token: str, given: Payload) -> Reply:
        """Take the first answer to an interaction."""
        asked = self.interactions.get(token)
        if asked is None or asked.over:
            return refused(404, 10062, "Unknown interaction")
        if asked.answer is not None:
            return refused(400, 40060, "Interaction has already been acknowledged.")
        kind, data = given["type"], given.get("data") or {}
        private = bool(data.get("flags", 0) & EPHEMERAL)
        told: Reply = 200, b"null"
        if kind in {MESSAGE, UPDATE}:
            asked.private = private
            told = self._send(data, asked) if kind == MESSAGE else self._change(asked, data)
        elif kind == DEFERRED:
            asked.private = private
        elif kind != DEFERRED_UPDATE:
            return refused(400, 50035, "Invalid Form Body")
        if told[0] != 200:  # noqa: PLR2004 - OK
            return told
        asked.answer = kind
        about = {"id": str(asked.id), "type": COMMAND, "response_message_loading": kind == DEFERRED}
        return 200, to_json({"interaction": about, "resource": {"type": kind, "message": read_json(told[1])}})

    def _edit(self, token: str, given: Payload) -> Reply:
        """Take the answer that was put off, or a later state of it."""
        asked = self.interactions.get(token)
        if asked is None or asked.over or asked.answer is None:
            return refused(404, 10015, "Unknown Webhook")
        return self._send(given, asked) if asked.message is None else self._change(asked, given)

    # --- the gateway

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection of the gateway from its upgrade to its end."""
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        await socket.send_str(text_of({"op": HELLO, "d": {"heartbeat_interval": HEARTBEAT_MS}, "s": None, "t": None}))
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._hear(socket, read_json(frame.data), f"ws://{request.host}{GATEWAY}")
                    self.changed()
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
            self.changed()
        return socket

    async def _hear(self, socket: web.WebSocketResponse, heard: Payload, url: str) -> None:
        kind, data = heard["op"], heard["d"]
        if kind == HEARTBEAT:
            await socket.send_str(text_of({"op": HEARTBEAT_ACK, "d": None, "s": None, "t": None}))
        elif kind in {IDENTIFY, RESUME} and data["token"] != self.token:
            await socket.close(code=AUTHENTICATION_FAILED, message=b"Authentication failed.")
        elif kind == IDENTIFY:
            await self._begin(socket, url)
        elif kind == RESUME:
            await self._resume(socket, data["seq"])

    async def _begin(self, socket: web.WebSocketResponse, url: str) -> None:
        self.identified += 1
        self._sent.clear()
        self._sockets.append(socket)
        ready = {"v": 10, "user": bot(), "guilds": [], "session_id": "session", "resume_gateway_url": url}
        await self.dispatch("READY", ready | {"application": {"id": str(APPLICATION), "flags": 0}})

    async def _resume(self, socket: web.WebSocketResponse, seen: int | None) -> None:
        """Send again what was missed."""
        if seen is None or not self._sent:
            await socket.send_str(text_of({"op": INVALID_SESSION, "d": False, "s": None, "t": None}))
            return
        self.resumed += 1
        for event in self._sent[seen:]:
            await socket.send_str(text_of(event))
        self._sockets.append(socket)
        await self.dispatch("RESUMED", {})

    async def dispatch(self, name: str, data: Payload) -> None:
        """Send an event to who is connected; who comes back gets it then."""
        event = {"op": DISPATCH, "t": name, "s": len(self._sent) + 1, "d": data}
        self._sent.append(event)
        for socket in list(self._sockets):
            await socket.send_str(text_of(event))

    # --- what things look like

    def _next_id(self) -> int:
        """Return an id, which bears its time: milliseconds of Discord's own epoch, and a number."""
        self._ids += 1
        return (self.now_ms() - 1_420_070_400_000 << 22) + self._ids

    def _interaction(self, kind: int, data: Payload, user: int, channel: int) -> Payload:
        number = self._next_id()
        token = f"interaction-token-{number}"
        self.interactions[token] = Asked(number)
        return interaction_of(number, token, kind, data, user=user, channel=channel)

    @staticmethod
    def _message(shown: Shown) -> Payload:
        return message_of(shown.id, shown.body, private=shown.private)


def text_of(event: Payload) -> str:
    """Return an event as it is sent."""
    return to_json(event).decode()
