"""Who may use a model: one Python thread at a time, who holds `Session.turn`."""

from __future__ import annotations

import threading
import time

_PAUSE = 1e-4  # seconds: enough for a thread that waits to wake up and take its turn


def offer() -> None:
    """Between two turns: let others have one, who could not wake up before the lock is taken again."""
    if threading.active_count() > 1:
        time.sleep(_PAUSE)
