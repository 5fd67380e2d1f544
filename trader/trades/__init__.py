"""One trade from its first order to its end: bought, held, sold, told and forgotten."""
