"""Which fields to lie about: those that the client's models read; a new one is lied about without being named."""

from __future__ import annotations

import msgspec

from upbit.models import Wire


def fields_read() -> frozenset[str]:
    """Return the wire names of all fields of all models of the client."""
    kinds, waiting = set[type[Wire]](), [Wire]
    while waiting:
        kind = waiting.pop()
        kinds.add(kind)
        waiting += kind.__subclasses__()
    return frozenset(field.encode_name for kind in kinds for field in msgspec.structs.fields(kind))


READ = fields_read()
