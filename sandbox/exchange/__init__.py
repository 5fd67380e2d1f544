"""The back of the exchange: orders, the engine that matches them, and the ledger of every account."""
