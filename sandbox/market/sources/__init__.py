"""Where public trades and books come from: a generator with a seed, or recorded candles."""
