"""Messages to a person: what they say, and how they reach Discord."""
