"""The small picture of the digest: a PNG that any viewer reads, of the curve and nothing else."""

from __future__ import annotations

import struct
import zlib
from decimal import Decimal

import numpy as np
import pytest

from notifier.curve import HEIGHT, LEVEL, MARGIN, SIGNATURE, WIDTH, Curve, picture

RED = 0xE12343


def read(image: bytes) -> np.ndarray:
    """Read an RGBA picture without filters, as the specification says, and not as it was written."""
    assert image.startswith(SIGNATURE)
    at, parts = len(SIGNATURE), {}
    while at < len(image):
        (length,) = struct.unpack_from(">I", image, at)
        kind, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", image, at + 8 + length) == (zlib.crc32(kind + data),)
        parts[kind] = data
        at += 12 + length
    assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
    assert parts[b"IEND"] == b""
    width, height, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert rest == [8, 6, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), dtype=np.uint8).reshape(height, 1 + 4 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 4)


def drawn(*levels: int) -> np.ndarray:
    """Return the pixels of a curve."""
    return read(picture(Curve(levels=tuple(Decimal(level) for level in levels), color=RED, told="")))


def middle(pixels: np.ndarray, column: int) -> float:
    """Return at which row the line crosses a column."""
    red = (pixels[:, column, :3] == [RED >> 16, RED >> 8 & 0xFF, RED & 0xFF]).all(axis=1)
    weights = pixels[:, column, 3] * red
    return float((np.arange(HEIGHT) + 0.5) @ weights / weights.sum())


def test_a_curve_goes_from_its_first_level_to_its_last() -> None:
    """The lowest stands at the bottom, the highest at the top, and what lies between in its proportion."""
    pixels = drawn(1_000_000, 1_030_000, 990_000, 1_010_000)
    assert pixels.shape == (HEIGHT, WIDTH, 4)
    columns = np.linspace(MARGIN, WIDTH - MARGIN - 1, 4).round().astype(int)
    rows = [middle(pixels, int(column)) for column in columns]
    wanted = [MARGIN + (HEIGHT - 2 * MARGIN) * share for share in (0.75, 0.0, 1.0, 0.5)]
    assert rows == pytest.approx(wanted, abs=2.5)


def test_it_stands_on_nothing_and_says_where_it_began() -> None:
    """Neither white nor black around it; a dashed line of another colour at the first level."""
    pixels = drawn(0, 100)
    assert not pixels[:MARGIN, :, 3][:, : WIDTH // 2].any()
    assert not pixels[:, 0, 3].any()
    bottom = pixels[HEIGHT - MARGIN - 1, WIDTH // 2 :]
    grey = (bottom[:, :3] == [LEVEL >> 16, LEVEL >> 8 & 0xFF, LEVEL & 0xFF]).all(axis=1) & (bottom[:, 3] > 0)
    assert 0.3 < grey.mean() < 0.7


def test_the_line_is_two_and_a_half_pixels_thick_and_the_dashes_are_one() -> None:
    """From margin to margin, whole inside and a part at its edges; where both lie, the line is seen."""
    level = drawn(5, 5)
    inside = level[:, MARGIN : WIDTH - MARGIN, 3]
    assert {row: set(inside[row]) for row in range(HEIGHT) if inside[row].any()} == {
        HEIGHT - MARGIN - 2: {85}, HEIGHT - MARGIN - 1: {255}, HEIGHT - MARGIN: {255}, HEIGHT - MARGIN + 1: {85},
    }  # fmt: skip
    assert list(level[HEIGHT - MARGIN, WIDTH - MARGIN : WIDTH - MARGIN + 2, 3]) == [85, 0]
    assert (level[level[..., 3] > 0][:, :3] == [RED >> 16, RED >> 8 & 0xFF, RED & 0xFF]).all()
    began = drawn(0, 100)[HEIGHT - MARGIN - 4 :, WIDTH // 2 :, 3].astype(int).sum(axis=0)
    dashed = [column // MARGIN % 2 == 0 for column in range(WIDTH // 2, WIDTH - MARGIN)]
    assert list(began[: len(dashed)]) == [255 * dash for dash in dashed]


def test_a_day_without_change_is_a_level_line_and_equal_curves_are_equal_bytes() -> None:
    """What is sent again is the same picture."""
    pixels = drawn(5, 5)
    assert middle(pixels, 20) == middle(pixels, WIDTH - 20)
    curve = Curve(levels=(Decimal(1), Decimal(3), Decimal(2)), color=RED, told="")
    assert picture(curve) == picture(curve)
    assert len(picture(curve)) < 20_000
