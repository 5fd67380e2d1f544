"""Who judges a world from outside: promises, the exchange's books against the journal's file, what was logged."""
