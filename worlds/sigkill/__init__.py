"""The real program, real files, real SIGKILLs at every named point."""
