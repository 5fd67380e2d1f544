"""The journal against the exchange: what is compared, found, taken in, written off and rebuilt."""
