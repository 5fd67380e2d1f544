"""Thin, typed clients for Upbit's REST and WebSocket API. No opinions, and no knowledge of the rest of this project."""
