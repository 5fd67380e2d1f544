"""Trading on paper: the sandbox in front of Upbit's own market, which is only looked at."""
