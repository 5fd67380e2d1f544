"""A small picture of an equity curve, as a PNG: a line on nothing, so that it is seen on a dark and on a light ground.

https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from journal.records import Note

KEPT, FILE = "curve", "curve.png"
"""Where a message keeps it, and what it is called when it is sent."""
WIDTH, HEIGHT, MARGIN = 480, 120, 8
"""Pixels."""
FINE = 3
"""It is drawn so many times larger, and made smaller: that smooths it."""
THICK = 2.5
"""Pixels of the line."""
LEVEL = 0x95A5A6
"""Colour of where the curve began."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGBA, NO_FILTER = 6, 0


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """What a message keeps of its picture, which is drawn when it is sent."""

    levels: tuple[Decimal, ...]  # KRW, at equal distances, oldest first; two at least
    color: int  # of the line, 0xRRGGBB
    told: str  # the same in words, for who cannot see it


def curve_of(note: Note) -> Curve | None:
    """Return what the picture of a message is drawn of; None for a message without one."""
    kept = note.body.get(KEPT)
    return None if kept is None else msgspec.convert(kept, Curve)


def picture(curve: Curve) -> bytes:
    """Return the picture of a curve."""
    levels, colour = [float(level) for level in curve.levels], curve.color
    low, high = min(levels), max(levels)
    room = (high - low) or 1.0
    heights = [MARGIN + (HEIGHT - 2 * MARGIN) * (1 - (level - low) / room) for level in levels]
    columns = np.arange(FINE * WIDTH) / FINE
    places = np.linspace(MARGIN, WIDTH - MARGIN, len(levels))
    line = cover(np.interp(columns, places, heights), THICK)
    began = cover(np.full(len(columns), heights[0]), 1.0)
    inside = (columns >= MARGIN) & (columns <= WIDTH - MARGIN)
    dashes = inside & (columns // MARGIN % 2 == 0)
    image = np.zeros((HEIGHT, WIDTH, 4))
    for drawn, shade in ((began * dashes, LEVEL), (line * inside, colour)):
        alpha = drawn.reshape(HEIGHT, FINE, WIDTH, FINE).mean(axis=(1, 3))
        stronger = alpha >= image[..., 3]
        image[stronger] = np.stack(
            [*(np.full(alpha.shape, float(shade >> shift & 0xFF)) for shift in (16, 8, 0)), alpha], axis=-1
        )[stronger]
    image[..., 3] *= 255
    return png(image.round().astype(np.uint8))


def cover(heights: npt.NDArray[np.float64], thick: float) -> npt.NDArray[np.float64]:
    """Return what a line covers of the fine grid; where it is steep it reaches from each column to the next."""
    after = np.append(heights[1:], heights[-1])
    rows = (np.arange(FINE * HEIGHT)[:, None] + 0.5) / FINE
    upper, lower = np.minimum(heights, after) - thick / 2, np.maximum(heights, after) + thick / 2
    return np.where((rows >= upper) & (rows < lower), 1.0, 0.0)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return pixels of the shape ``(height, width, 4)`` as a PNG."""
    height, width, _ = pixels.shape
    rows = b"".join(bytes([NO_FILTER]) + row.tobytes() for row in pixels)
    about = struct.pack(">IIBBBBB", width, height, 8, RGBA, 0, 0, 0)
    return SIGNATURE + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", about), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
