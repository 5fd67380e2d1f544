"""A bot in Discord: it reads the journal as the command line does, and only adds commands to it."""
