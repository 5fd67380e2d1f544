"""The version of the program; `pyproject.toml` says the same, and a test compares them."""

VERSION = "0.1.0"
NAME = "upbit-trading-daemon"
