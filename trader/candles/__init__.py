"""The candles of every KRW market: told by the stream, fetched where it left a gap, kept over restarts."""
