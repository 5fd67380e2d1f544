"""Arms a daemon that `make sigkill` starts: Python imports this by itself when this folder is on `PYTHONPATH`.

So the victim is the real program, `python main.py ...`. Nobody else names this folder, and without it there are no
crash points. Whatever goes wrong here ends the process: an unarmed victim would prove nothing.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
began = time.monotonic(), time.process_time()
try:
    from worlds.sigkill import points

    points.arm_process(os.environ, began)
except BaseException:  # noqa: BLE001 - Python would report it, and start the program all the same
    traceback.print_exc()
    os._exit(70)
