"""The journal: every intent, order, fill, trade and verdict in one SQLite file. Reading it back is recovery."""

JOURNAL_FILE = "journal.sqlite3"
"""What it is called in the data folder."""
