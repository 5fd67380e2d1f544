"""The folder that arms the victims of `make sigkill` when it is on `PYTHONPATH`."""
