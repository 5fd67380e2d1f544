"""The five coroutines, one file each, and the steps they share: placing orders, risk, recovery."""
