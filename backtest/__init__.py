"""Candle history on disk, and what a strategy would have done on it."""
