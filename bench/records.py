"""What a record costs: a step that nobody tracks beside one whose norms, distributions or units are recorded.

python bench/records.py                 row D2; python bench/records.py D3 --every 10: at every tenth step
python bench/records.py --live          norms alone, beside them with a picture that moves while it trains
python bench/records.py --watch         nothing, beside fit(watch=True)

Medians of epochs that take turns in one process; shares are of the step that nobody tracks, of a live picture
of the step that is recorded. It is drawn by matplotlib's backend: MPLBACKEND=tkagg draws in a window, %run in
a notebook.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import vgcore as vg
from timing import no_garbage_collector
from vgcore._core import simd
from workloads import ROWS, DenseWorkload, Workload

WATCHED = 20_000  # steps of a training that is watched: each 20th of them is recorded
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


class Pace(vg.callbacks.Callback):
    """Seconds of a step, on average from the first that callbacks are told of until some seconds later."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._first: tuple[float, int] | None = None

    def on_progress(self, progress: Any) -> bool:
        """Note the time, and stop training when it is over."""
        now = time.perf_counter()
        if self._first is None:
            self._first = now, progress.step
            return False
        self.seconds = now - self._first[0]
        self.step = self.seconds / (progress.step - self._first[1])
        return self.seconds > self._least


def watch(workload: Workload, rounds: int, seconds: float) -> float:
    """How much longer a step takes with fit(watch=True)."""
    x, y = workload.data()
    model = network(workload)
    steps: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for watched, times in steps.items():
            pace = Pace(seconds)
            options: dict[str, Any] = {"callbacks": [pace], "verbose": 0, "watch": watched}
            epochs = math.ceil(WATCHED / workload.batches)
            model.fit(x, y, epochs=epochs, batch_size=workload.batch, **options)
            times.append(pace.step)
    return median(steps[True]) / median(steps[False]) - 1


def draw(workload: Workload, rounds: int, seconds: float) -> tuple[float, float]:
    """Frames a second of a live picture once it is open, and how much longer a step takes with it."""
    x, y = workload.data()
    model = network(workload)
    alone, watched, frames = [], [], []
    for _ in range(rounds):
        for steps in (alone, watched):
            flow, pace = vg.GradientFlow(), Pace(seconds)
            shown = [vg.plot.live(flow)] if steps is watched else []
            options: dict[str, Any] = {"track": flow, "callbacks": [*shown, pace], "verbose": 0}
            model.fit(x, y, epochs=10**6, batch_size=workload.batch, **options)
            steps.append(pace.step)
            frames += [live.frames / pace.seconds for live in shown]
    return median(frames), median(watched) / median(alone) - 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rows = [name for name, row in ROWS.items() if isinstance(row, DenseWorkload)]
    parser.add_argument("row", nargs="?", choices=rows, default="D2", help="default: D2")
    parser.add_argument("--every", type=int, default=1, help="record every so many steps")
    parser.add_argument("--rounds", type=int, default=21, help="default: 21")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--live", action="store_true", help="draw, by matplotlib's backend")
    parser.add_argument("--watch", action="store_true", help="fit(watch=True)")
    options = parser.parse_args(arguments)
    if min(options.every, options.rounds, options.threads) < 1:
        parser.error("expected numbers of at least 1")
    vg.set_num_threads(options.threads)
    workload = ROWS[options.row]
    print(
        f"{simd.level}, threads: {options.threads}; {options.row}, every {options.every}. step recorded\n"
    )
    if options.live:
        frames, more = draw(workload, 5, 4.0)
        print(f"live: {frames:.1f} frames a second, a step takes {more:.1%} more")
        return
    if options.watch:
        print(f"watch: a step takes {watch(workload, 9, 2.0):.1%} more")
        return
    found = measure(workload, options.every, options.rounds)
    alone = found.pop("nobody")
    print("| recorded | a step | more |\n|---|---:|---:|")
    print(f"| nothing | {1e6 * alone:.0f} µs | |")
    for name, seconds in found.items():
        print(f"| {name} | {1e6 * seconds:.0f} µs | {seconds / alone - 1:.0%} |")


if __name__ == "__main__":
    main()
