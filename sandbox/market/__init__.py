"""The public market as everybody sees it: trades, candles, tickers and books of one source."""
