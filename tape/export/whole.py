"""Files that are there as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def whole(paths: Sequence[Path]) -> list[Path]:
    """Give files that were written aside their names."""
    return [path.rename(path.with_name(path.name.removesuffix(".part"))) for path in paths]
