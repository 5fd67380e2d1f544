"""How long a test waits for something real: so long that only what hangs takes longer, however busy the machine is."""

PATIENCE_S = 900.0
