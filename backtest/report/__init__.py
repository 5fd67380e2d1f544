"""A result for a person: one HTML page, JSON, files of trades and curves."""
