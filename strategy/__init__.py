"""Indicators and strategies: pure functions over arrays. No asyncio, no clock, no input or output."""
