"""One account on past candles: what is known about them beforehand, the decisions, the fills, what it comes to."""
