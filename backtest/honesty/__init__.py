"""Whether a strategy is honest: looks ahead, needs history it is not given, is better than chance."""
