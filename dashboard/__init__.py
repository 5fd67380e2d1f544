"""The page of a running daemon for a browser: it reads the journal, and only adds commands to it."""
