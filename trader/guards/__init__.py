"""Who watches while the five coroutines trade: account, equity, machine, requests of a person, signs of life."""
