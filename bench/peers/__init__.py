"""One rule on the same made-up prices, in the words of each backtester; bench/backtest_peers.py measures them."""
