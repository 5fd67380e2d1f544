"""One WebSocket: opened without redirects, its messages handed over the moment they are read.

Nothing waits between a socket and its listener: a queue, and a task that is woken for each message, cost more than
reading it does. `websockets` is always there; the extra `picows` does the same with less work, on uvloop.
"""
