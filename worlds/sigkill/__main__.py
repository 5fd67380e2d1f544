"""`python -m worlds.sigkill`."""

from __future__ import annotations

import sys

from worlds.sigkill.run import main

if __name__ == "__main__":
    sys.exit(main())
