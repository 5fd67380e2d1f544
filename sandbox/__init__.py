"""An Upbit in a box: the exchange the daemon is rehearsed against. Imports nothing of `upbit`."""
