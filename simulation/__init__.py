"""An event loop with a clock of its own: the same coroutines at wall speed, N times faster, or as fast as possible."""
