"""`python -m worlds.lies`."""

from __future__ import annotations

import sys

from worlds.lies.trials import main

if __name__ == "__main__":
    sys.exit(main())
