"""What the parameter classes of strategies share: every number has bounds, and says them when it is refused."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_type_hints

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Multiple = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
Percent = Annotated[float, msgspec.Meta(gt=0.0, le=100.0)]
Won = Annotated[float, msgspec.Meta(ge=0.0, le=1e13)]


def bounds(parameters: type[Any]) -> dict[str, tuple[float, float]]:
    """Return least and largest value of every parameter of a class."""
    found = {}
    for name, hint in get_type_hints(parameters, include_extras=True).items():
        for meta in get_args(hint)[1:]:
            if isinstance(meta, msgspec.Meta):
                least = meta.ge if meta.ge is not None else meta.gt
                found[name] = (float(least or 0), float(meta.le or 0))
    return found
