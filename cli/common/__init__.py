"""What the verbs share: reading options, printing, exit codes, the screen and the log."""
