"""A network in memory: names, listening sockets and connections between hosts, for a loop whose `network` it is.

What TCP promises holds: bytes of one direction arrive in order, once, or not at all. When they arrive, in how many
pieces, and whether a connection is refused, reset or silent, decides the weather (`simulation/weather.py`).
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import math
import socket
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from simulation.hosts import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulation.hosts import Host

Address = tuple[str, int]
FIRST_PORT = 32_768
APART_S = 1e-6
"""Two pieces of one direction never arrive at the same time: timers of equal times keep no order."""
HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024


class Weather(Protocol):
    """What the network does to what is sent. Times in seconds."""

    def latency(self) -> float:
        """Return how long the next piece is on its way."""

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """Cut what is written at once into what arrives at once."""

    def name(self) -> float | None:
        """Return how long a look-up of a name takes; None when it fails."""

    def opening(self) -> str | None:
        """Return "refuse" or "hang" for a connection that does not come to be."""

    def sending(self) -> tuple[str, float] | None:
        """Return ("reset", 0) or ("stall", seconds), math.inf for ever, for what befalls a connection now."""


class Calm:
    """Nothing goes wrong, and everything takes a millisecond."""

    def latency(self) -> float:
        """Return a millisecond."""
        return 0.001

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """Leave it whole."""
        return (data,)

    def name(self) -> float | None:
        """Return a millisecond."""
        return 0.001

    def opening(self) -> str | None:
        """Let it open."""
        return None

    def sending(self) -> tuple[str, float] | None:
        """Let it pass."""
        return None


class Socket:
    """As much of a listening socket as servers ask for."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def getsockname(self) -> Address:
        """Return where it listens."""
        return self._address


class ListeningSocket(asyncio.AbstractServer):
    """A listening socket."""

    def __init__(self, network: Network, factory: Callable[[], Any], address: Address) -> None:
        self.address = address
        self.factory = factory
        self.context = contextvars.copy_context()
        self.host = HOST.get()
        self.sockets = (Socket(address),)
        self._network = network

    def close(self) -> None:
        """Stop listening."""
        self._network.listeners.pop(self.address, None)

    async def start_serving(self) -> None:
        """It serves from the beginning."""

    async def serve_forever(self) -> None:
        """Wait for ever: connections are taken by the network."""
        await self._network.loop.create_future()

    async def wait_closed(self) -> None:
        """Return at once: connections live on their own."""

    def is_serving(self) -> bool:
        """Return whether it still listens."""
        return self._network.listeners.get(self.address) is self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._network.loop


class Endpoint(asyncio.Transport):
    """One end of a connection."""

    peer: Endpoint

    def __init__(self, network: Network, context: contextvars.Context, local: Address, remote: Address) -> None:
        super().__init__({"peername": remote, "sockname": local})
        self._network = network
        self._context = context
        self._protocol: Any = None
        self._closing = self._lost = False
        self._reads = True
        self._held: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()  # arrived while reading was paused
        self._arrives = 0.0  # when the last piece of this direction arrives
        self._in_flight = 0
        self._paused_writer = False
        self.host: Host | None = context.get(HOST)

    # -- what a protocol asks of its transport

    def set_protocol(self, protocol: Any) -> None:
        """Tell this protocol what happens from now on."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Return who is told what happens."""
        return self._protocol

    def is_closing(self) -> bool:
        """Return whether it is closed, or about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Return whether what arrives is handed on."""
        return self._reads and not self._closing

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._reads = False

    def resume_reading(self) -> None:
        """Hand on what arrives, and what was kept."""
        self._reads = True
        self._soon(self._hand_on)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Accept any wish: the marks here are fixed."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are on their way."""
        return self._in_flight

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the marks at which writing pauses and resumes."""
        return LOW_WATER, HIGH_WATER

    def can_write_eof(self) -> bool:
        """Return False: nobody here half-closes."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, whatever becomes of them."""
        if self._closing or not data:
            return
        whole = bytes(data)
        if fate := self._network.weather.sending():
            kind, seconds = fate
            self._network.on_fault(kind)
            if kind == "reset":
                self._send(self.peer._receive, whole[: len(whole) // 2], size=0)  # noqa: SLF001 - both ends are one class
                self.break_()
                return
            until = self._network.loop.time() + seconds
            self._arrives, self.peer._arrives = max(self._arrives, until), max(self.peer._arrives, until)  # noqa: SLF001
        for piece in self._network.weather.pieces(whole):
            self._send(self.peer._receive, piece, size=len(piece))  # noqa: SLF001 - both ends are one class
        if self._in_flight > HIGH_WATER and not self._paused_writer:
            self._paused_writer = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Send what was written, then the end of the stream."""
        if not self._closing:
            self._closing = True
            self._send(self.peer._end)  # noqa: SLF001 - both ends are one class
            self._soon(self._forget, None)

    def abort(self) -> None:
        """Break the connection off."""
        if not self._closing:
            self._closing = True
            self._send(self.peer._break)  # noqa: SLF001 - both ends are one class
            self._soon(self._forget, None)

    # -- what the network does to it

    def _soon(self, call: Callable[..., None], *args: Any) -> None:
        self._network.loop.call_soon(call, *args, context=self._context)

    def _send(self, arrival: Callable[..., None], *args: Any, size: int = 0) -> None:
        """Let something happen at the other end, after all that was sent before."""
        now = self._network.loop.time()
        cut = max((host.cut_until for host in (self.host, self.peer.host) if host), default=0.0)
        self._arrives = max(self._arrives + APART_S, now + self._network.weather.latency(), cut)
        self._in_flight += size
        if not math.isinf(self._arrives):
            self._network.loop.call_at(self._arrives, arrival, *args, context=self.peer._context)  # noqa: SLF001

    def _receive(self, data: bytes) -> None:
        self.peer._arrived(len(data))  # noqa: SLF001 - both ends are one class
        if self._closing:
            self._send(self.peer._break)  # noqa: SLF001 - nobody is here any more
            return
        self._held.append((self._protocol.data_received, (data,)))
        self._hand_on()

    def _end(self) -> None:
        if not self._closing:
            self._held.append((self._after_end, ()))
            self._hand_on()

    def _after_end(self) -> None:
        if not self._protocol.eof_received():
            self.close()

    def _hand_on(self) -> None:
        while self._held and self._reads and not self._closing:
            call, args = self._held.popleft()
            call(*args)

    def _break(self) -> None:
        if not self._lost:
            self._closing = True
            self._forget(ConnectionResetError(errno.ECONNRESET, "the simulated peer is gone"))

    def _arrived(self, size: int) -> None:
        self._in_flight -= size
        if self._paused_writer and self._in_flight < LOW_WATER:
            self._paused_writer = False
            if not self._closing:
                self._soon(self._protocol.resume_writing)

    def _forget(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._held.clear()
            self._network.endpoints.discard(self)
            self._protocol.connection_lost(error)

    def break_(self) -> None:
        """Break the connection for both ends."""
        for end in (self, self.peer):
            end._send(end.peer._break)  # noqa: SLF001 - both ends are one class

    def orphan(self, *, silent: bool) -> None:
        """Act as the kernel of a process that was killed: end the stream after what was written."""
        self._closing = self._lost = True
        self._held.clear()
        self._network.endpoints.discard(self)
        if not silent:
            self._send(self.peer._break)  # noqa: SLF001 - both ends are one class


class Network:
    """All hosts' sockets. `on_fault` is told each kind of thing the weather did."""

    def __init__(self, loop: asyncio.AbstractEventLoop, weather: Weather | None = None) -> None:
        self.loop = loop
        self.weather: Weather = weather or Calm()
        self.on_fault: Callable[[str], None] = lambda _: None
        self.listeners: dict[Address, ListeningSocket] = {}
        self.endpoints = _Ordered()
        self._dialled: weakref.WeakKeyDictionary[socket.socket, Address] = weakref.WeakKeyDictionary()
        self._next_port = FIRST_PORT
        self.names: dict[str, str] = {"localhost": "127.0.0.1"}

    def open_connections(self) -> int:
        """Return how many ends of connections are open."""
        return len(self.endpoints)

    async def resolve(self, name: str, port: int) -> list[tuple[Any, ...]]:
        """Resolve a name, or fail as the machine's resolver does."""
        seconds = self.weather.name()
        await asyncio.sleep(0.005 if seconds is None else seconds)
        if seconds is None:
            self.on_fault("dns")
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        address = self.names.get(name, name)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, int(port)))]

    async def dial(self, sock: socket.socket, address: Address) -> None:
        """Make the connection a socket stands for."""
        await self._handshake(address)
        self._dialled[sock] = address

    async def _handshake(self, address: Address) -> ListeningSocket:
        host = HOST.get()
        fate = self.weather.opening()
        if fate == "hang" or (host is not None and host.cut_until > self.loop.time()):
            self.on_fault("hang")
            await self.loop.create_future()
        await asyncio.sleep(2 * self.weather.latency())
        listener = self.listeners.get((address[0], address[1]))
        if fate == "refuse" or listener is None:
            self.on_fault("refuse")
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
        return listener

    async def connect(
        self, factory: Callable[[], Any], host: str | None, port: int | None, sock: socket.socket | None
    ) -> tuple[Endpoint, Any]:
        """Connect by name, or take over a socket that has been dialled."""
        if sock is not None:
            address = self._dialled.pop(sock)
            sock.close()
            listener = self.listeners.get((address[0], address[1]))
            if listener is None:
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
        else:
            assert host is not None
            assert port is not None
            ((*_, address),) = await self.resolve(host, port)
            listener = await self._handshake(address)
        near, far = self._pair(listener)
        protocol = factory()
        near.set_protocol(protocol)
        protocol.connection_made(near)
        self.loop.call_soon(self._accept, listener, far, context=listener.context)
        return near, protocol

    def _pair(self, listener: ListeningSocket) -> tuple[Endpoint, Endpoint]:
        host = HOST.get()
        local = (host.address if host else "127.0.0.1", self._next_port)
        self._next_port = self._next_port + 1 if self._next_port < 65_535 else FIRST_PORT  # noqa: PLR2004 - the last port
        near = Endpoint(self, contextvars.copy_context(), local, listener.address)
        far = Endpoint(self, listener.context, listener.address, local)
        near.peer, far.peer = far, near
        self.endpoints.add(near)
        self.endpoints.add(far)
        return near, far

    @staticmethod
    def _accept(listener: ListeningSocket, far: Endpoint) -> None:
        protocol = listener.factory()
        far.set_protocol(protocol)
        protocol.connection_made(far)

    def listen(self, factory: Callable[[], Any], host: str | None, port: int | None) -> ListeningSocket:
        """Open a listening socket; port 0 takes a free one."""
        address = (self.names.get(host or "", host or "127.0.0.1"), port or self._free_port())
        if address in self.listeners:
            raise OSError(errno.EADDRINUSE, f"address already in use: {address}")
        self.listeners[address] = ListeningSocket(self, factory, address)
        return self.listeners[address]

    def _free_port(self) -> int:
        return next(port for port in range(8001, 65_536) if all(port != used for _, used in self.listeners))

    def host_died(self, host: Host, *, silent: bool) -> None:
        """Close what a dead host held open."""
        for listener in [one for one in self.listeners.values() if one.host is host]:
            listener.close()
        for endpoint in [one for one in self.endpoints if one.host is host]:
            endpoint.orphan(silent=silent)


class _Ordered(dict[Endpoint, None]):
    """A set that remembers the order in which its members came: sets iterate by address, which differs every time."""

    def add(self, endpoint: Endpoint) -> None:
        """Take one in."""
        self[endpoint] = None

    def discard(self, endpoint: Endpoint) -> None:
        """Let one go."""
        self.pop(endpoint, None)
