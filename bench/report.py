"""The table on the screen, and the record in JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from statistics import median

from rich import box
from rich.table import Table

from machine import cpu_model
from peers.registry import PEERS
from results import Row
from timing import BLOCK_SECONDS, Round
from vgcore._core import simd


def environment(rounds: Iterable[Round]) -> dict[str, object]:
    """Describe when, where and with what the rounds were measured."""
    packages = sorted({peer.package for peer in PEERS.values()} | {"jaxlib", "numpy"})
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
        "vgcore_cpu": simd.level,
        "block_seconds": BLOCK_SECONDS,
        "peak_gflops_per_core": median(r.peak / r.threads for r in rounds),
    }


def record(about: dict[str, object], rows: Sequence[Row]) -> dict[str, object]:
    """Return what goes into the JSON file."""
    return {**about, "rows": [asdict(row) for row in rows]}


def table(about: dict[str, object], rows: Sequence[Row]) -> Table:
    """Return the table, ready to be pasted into a Markdown page."""
    peak = f"{about['peak_gflops_per_core']:.0f} GFLOP/s per core"
    result = Table(
        title=f"{about['date']}, {about['cpus']} × {about['cpu']}, FMA peak {peak}",
        caption=CAPTION,
        box=box.MARKDOWN,
    )
    for heading in ("row", "threads", "peer"):
        result.add_column(heading, no_wrap=True)
    for heading in NUMBERS:
        result.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        result.add_row(row.workload, str(row.threads), row.peer, *_numbers(row))
    return result


CAPTION = (
    "cores: kept busy; scaling: faster than on the fewest threads; vgcore leads: the peer's step over "
    "vgcore's, in its own line the best peer's; cost: what tracking, or a call, adds to a step"
)
NUMBERS = ("step", "GFLOP/s", "of peak", "cores", "scaling", "vgcore leads", "cost")


def _numbers(row: Row) -> tuple[str, ...]:
    """Return one cell for each of `NUMBERS`."""
    return (
        _duration(row.step_seconds),
        f"{row.gflops:.1f}",
        f"{row.peak_fraction:.0%}",
        f"{row.cores:.2f}",
        _times(row.scaling),
        _times(row.lead),
        _cost(row),
    )


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}×"


def _cost(row: Row) -> str:
    if row.tracking_cost is not None:
        return f"{row.tracking_cost:+.1%}"
    if row.call_seconds is not None:
        return f"{row.call_seconds * 1e6:+.1f} µs"
    return ""
