"""Which addresses our keys may be sent to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_safe(base_url: str) -> bool:
    """Return whether keys may be used with an address: https, or plain http to this very machine."""
    parts = urlsplit(base_url)
    if parts.scheme != "http":
        return parts.scheme == "https" and bool(parts.hostname)
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
