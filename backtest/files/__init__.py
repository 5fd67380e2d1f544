"""Candles in anybody's files: recognised, read, judged, brought into the store, and written back."""
