"""Exit codes of the command line."""

OK = 0
ERROR = 1
USAGE = 2
SECOND_DAEMON = 3
CONFIGURATION = 4
INTERRUPTED = 130
