"""Whole worlds: an exchange, the unmodified daemon, a person and a checker on one simulated loop."""
