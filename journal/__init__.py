"""The journal: every intent, order, fill, trade and verdict in one SQLite file. Reading it back is recovery."""
