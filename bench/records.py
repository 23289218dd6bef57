"""What a record costs: a step that nobody tracks beside one whose norms, distributions or units are recorded.

python bench/records.py                 row D2; python bench/records.py D3 --every 10: at every tenth step
python bench/records.py --live          beside them, a picture that moves while it trains

Medians of epochs that take turns in one process, on one thread; shares are of the step that nobody tracks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import vgcore as vg
from timing import no_garbage_collector
from vgcore._core import simd
from workloads import ROWS, DenseWorkload, Workload

KINDS: dict[str, dict[str, Any]] = {
    "norms": {},
    "distributions": {"distributions": True},
    "units": {"units": True},
    "both": {"distributions": True, "units": True},
}


def network(workload: Workload) -> vg.Sequential:
    """The network of a row, compiled."""
    assert isinstance(workload, DenseWorkload)
    inputs, *hidden, classes = workload.sizes
    layers = [*(vg.Dense(units, workload.activation) for units in hidden)]
    model = vg.Sequential([*layers, vg.Dense(classes, "softmax")], input_shape=inputs, seed=0)
    model.compile(workload.loss, vg.SGD(0.01))
    return model


def seconds_of_step(model: vg.Sequential, workload: Workload, epochs: int, **options: Any) -> float:
    """Of some epochs, over their steps."""
    x, y = workload.data()
    begin = time.perf_counter()
    model.fit(x, y, epochs=epochs, batch_size=workload.batch, verbose=0, **options)
    return (time.perf_counter() - begin) / (epochs * workload.batches)


def measure(workload: Workload, every: int, rounds: int) -> dict[str, float]:
    """Median seconds of a step of each kind, and of one that nobody tracks."""
    kinds = {"nobody": None, **KINDS}
    models = {name: network(workload) for name in kinds}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    with no_garbage_collector():
        for _ in range(rounds):
            for name, options in kinds.items():
                flow = None if options is None else vg.GradientFlow(every=every, **options)
                found[name].append(seconds_of_step(models[name], workload, 2, track=flow))
    return {name: median(times) for name, times in found.items()}


def watch(workload: Workload, seconds: float) -> tuple[float, float]:
    """Frames a second of a live picture, and the share of the time that they take."""
    model, flow = network(workload), vg.GradientFlow()
    until = time.monotonic() + seconds
    live = vg.plot.live(flow)
    begin = time.perf_counter()
    x, y = workload.data()
    late = lambda epoch, logs: time.monotonic() > until  # noqa: E731
    model.fit(x, y, epochs=10**6, batch_size=workload.batch, track=flow, callbacks=[live, late])
    whole = time.perf_counter() - begin
    return live.frames / whole, live.seconds / whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rows = [name for name, row in ROWS.items() if isinstance(row, DenseWorkload)]
    parser.add_argument("row", nargs="?", choices=rows, default="D2", help="default: D2")
    parser.add_argument("--every", type=int, default=1, help="record every so many steps")
    parser.add_argument("--rounds", type=int, default=21, help="default: 21")
    parser.add_argument("--live", action="store_true", help="draw, too, by matplotlib's backend")
    options = parser.parse_args(arguments)
    if min(options.every, options.rounds) < 1:
        parser.error("expected numbers of at least 1")
    vg.set_num_threads(1)
    workload = ROWS[options.row]
    found = measure(workload, options.every, options.rounds)
    alone = found.pop("nobody")
    print(f"{simd.level}, one thread; {options.row}, every {options.every}. step recorded\n")
    print("| recorded | a step | more |\n|---|---:|---:|")
    print(f"| nothing | {1e6 * alone:.0f} µs | |")
    for name, seconds in found.items():
        print(f"| {name} | {1e6 * seconds:.0f} µs | {seconds / alone - 1:.0%} |")
    if options.live:
        frames, share = watch(workload, 10)
        print(f"\nlive: {frames:.0f} frames a second, {share:.1%} of the time")


if __name__ == "__main__":
    main()
