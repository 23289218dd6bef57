"""The machine that measures."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu_model() -> str:
    """Return the model as Linux knows it, or what Python knows elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
