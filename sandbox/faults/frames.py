"""What goes wrong with WebSocket frames: lost, twice, out of order, spoiled, and connections that end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sandbox.faults.chance import fits, fits_market
from sandbox.faults.lies import Lie, Memory, Refusal, tell
from sandbox.faults.plan import AlteredFrame, Doubled, Dropped, HungUp, Spoiled, Swapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.faults.chance import Dice
    from sandbox.faults.plan import FrameRule, Frames
    from sandbox.stream.session import Session

PUBLIC_PATH = "/websocket/v1"
GARBAGE = b"\xff\xfe{"


class Head(msgspec.Struct):
    """What a frame is about, with long keys or with short ones."""

    type: str = ""
    code: str = ""
    ty: str = ""
    cd: str = ""

    @property
    def kind(self) -> str:
        """Its type."""
        return self.type or self.ty

    @property
    def market(self) -> str:
        """Its market; empty when it has none."""
        return self.code or self.cd


_HEAD = msgspec.json.Decoder(Head | list[Head])


class FrameFaults:
    """The rules about frames of the plan in force."""

    def __init__(self, held: Callable[[], Iterable[str]]) -> None:
        self.dice: list[tuple[FrameRule, Dice]] = []
        self._held = held
        self._memory = Memory()

    def clear(self) -> None:
        """Forget the rules."""
        self.dice.clear()

    def watch(self, session: Session, path: str) -> None:
        """Let the frames of a new session pass through here."""
        held_back: list[bytes] = []
        socket = path.removeprefix(PUBLIC_PATH).strip("/") or "public"

        def spoil(frame: bytes) -> Iterator[bytes]:
            for sent in self._sent(session, socket, frame, held_back):
                yield sent
                yield from held_back
                held_back.clear()

        session.spoil = spoil

    def _sent(self, session: Session, socket: str, frame: bytes, held_back: list[bytes]) -> Iterator[bytes]:
        """Yield what is sent instead of a frame."""
        rule = self._struck(socket, frame)
        match rule:
            case None:
                yield frame
            case Dropped():
                return
            case Doubled():
                yield frame
                yield frame
            case Spoiled():
                yield GARBAGE
            case AlteredFrame():
                yield self._altered(rule, frame)
            case Swapped():
                held_back.append(frame)
            case HungUp():
                session.hang_up(rule.close)

    def _altered(self, rule: AlteredFrame, frame: bytes) -> bytes:
        told = msgspec.json.decode(frame)
        said = tell(Lie(rule.where, rule.say), "frame", told, self._memory, None)
        return frame if isinstance(said, Refusal) else msgspec.json.encode(said)

    def _struck(self, socket: str, frame: bytes) -> FrameRule | None:
        if not self.dice:
            return None
        head = read_head(frame)
        return next(
            (rule for rule, dice in self.dice if self._fits(rule.on, socket, head) and dice.strikes()),
            None,
        )

    def _fits(self, on: Frames, socket: str, head: Head) -> bool:
        return (
            fits(on.sockets, socket) and fits(on.types, head.kind) and fits_market(on.markets, head.market, self._held)
        )


def read_head(frame: bytes) -> Head:
    """Return what a frame is about; nothing in particular when it does not say."""
    try:
        head = _HEAD.decode(frame)
    except msgspec.DecodeError:
        return Head()
    return head if isinstance(head, Head) else head[0] if head else Head()
