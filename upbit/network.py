"""How the outside is reached: where keys may go, whose certificates are believed, and through which proxy."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import certifi

if TYPE_CHECKING:
    from pathlib import Path


def is_loopback(url: str) -> bool:
    """Return whether an address is this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(base_url: str) -> bool:
    """Return whether keys may be used with an address: https, or plain http to this very machine."""
    parts = urlsplit(base_url)
    if parts.scheme == "http":
        return is_loopback(base_url)
    return parts.scheme == "https" and bool(parts.hostname)


def goes_direct(host: str, no_proxy: str) -> bool:
    """Return whether a host is one of NO_PROXY: names, or endings of names, with commas between them; * is all."""
    names = [name.strip().lstrip(".").lower() for name in no_proxy.split(",")]
    return any(name in {"*", host} or host.endswith(f".{name}") for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the machine's owner says about the way out: a proxy, hosts that go without it, a certificate authority."""

    proxy: str | None = field(default=None, repr=False)  # http://[user:password@]host:port; it may hold a password
    no_proxy: str = ""  # as in NO_PROXY
    ca_file: Path | None = None  # PEM; believed besides the usual authorities

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy for an address; this machine is never asked for through one."""
        host = urlsplit(url).hostname or ""
        if self.proxy is None or is_loopback(url) or goes_direct(host, self.no_proxy):
            return None
        return self.proxy

    def tls(self) -> ssl.SSLContext:
        """Return what verifies certificates and names; there is no way to switch it off.

        Raises:
            OSError: when the file of the authority cannot be read, or holds none.
        """
        context = ssl.create_default_context(cafile=certifi.where())
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is not None:
            context.load_verify_locations(cafile=self.ca_file)
        return context


DIRECT = Network()
"""No proxy, and the usual authorities."""
