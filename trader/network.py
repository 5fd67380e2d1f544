"""The way out as the settings describe it, for every client of the daemon and of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upbit.network import Network

if TYPE_CHECKING:
    from config.settings import Config


def network_of(config: Config) -> Network:
    """Return the proxy, its exceptions and the authority of the settings."""
    proxy = config.proxy.reveal() if config.proxy else None
    return Network(proxy=proxy, no_proxy=config.no_proxy, ca_file=config.ca_file)
