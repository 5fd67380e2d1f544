"""What is asked of the page from where it must not be: another name of the machine, or another page of the browser."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # stricter would take the Origin from our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}
"""Of every answer, whatever it is."""


def names_of(bind: str, port: int, others: Sequence[str]) -> Iterator[str]:
    """Yield every `Host` under which the page may be asked for: a page of somebody else cannot take one of them."""
    address = ipaddress.ip_address(bind)
    own = [] if address.is_unspecified else [f"[{bind}]" if address.version == 6 else bind]  # noqa: PLR2004 - IPv6
    for name in ("127.0.0.1", "localhost", "[::1]", *own):
        yield f"{name}:{port}"
    for other in others:
        yield other
        yield f"{other}:{port}"


def is_foreign(method: str, host: str | None, origin: str | None, names: Collection[str]) -> bool:
    """Return whether a request is not for us, or was caused by another page.

    A browser says the origin of every form and of every request of a script to another host, and no page can forge it.
    """
    if host is None or host.lower() not in names:
        return True
    if origin is None:
        return method not in {"GET", "HEAD"}
    return origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}
