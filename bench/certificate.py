"""A certificate for a server of a benchmark on this machine."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = "authority.pem"


def serving_tls(folder: Path) -> ssl.SSLContext:
    """Return what a server on 127.0.0.1 needs; in the folder lies what its clients believe."""
    key = folder / "key.pem"
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=bench"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(folder / AUTHORITY)]
    subprocess.run(["openssl", *asked.split(), *names], check=True, capture_output=True)  # noqa: S603, S607
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / AUTHORITY, key)
    return tls
