"""What more of everything costs: layers, timesteps, samples, models, and widths that fill no vector.

python bench/growth.py --picture growth.png           all of it, about ten minutes
python bench/growth.py layers models --json growth.json
python bench/growth.py --quick                        up to a tenth of the largest sizes, a minute

A cost is time per unit, such as a layer, relative to the cheapest of the sizes: where nothing but the work
itself grows, all are 1. A width's is time per pair of units, relative to the next width that fills its
vectors. Sizes are timed in random order in every round; each cost is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import vgcore as vg
from machine import cpu_model
from timing import no_garbage_collector
from vgcore._core import simd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float32]
Work = Callable[[], object]

ROUNDS = 5
BLOCK_SECONDS = 0.1
FLAT = 1.3  # what costs may differ by and be called flat
CROSSWISE = 1.15  # ... of a width
VECTOR = {"baseline": 4, "avx2": 8, "avx512": 16}[simd.level]  # float32
WIDTHS = (32, 48, 50, 56, 60, 64, 96, 100, 128, 130)
BATCH = 32


@dataclass(frozen=True)
class Cost:
    """What a unit costs at one size."""

    growth: str
    size: int
    seconds: float  # per unit, or pair of units
    relative: float


@dataclass(frozen=True)
class Growth:
    """Work of several sizes, of which each unit should cost the same."""

    unit: str
    work: Callable[[int], Work]  # of a size, ready to be done again and again
    sizes: tuple[int, ...]
    widths: bool = False  # sizes are widths, and what is counted are pairs of units

    def measured(self, rounds: int, quick: bool) -> list[Cost]:
        """The cost of each size."""
        asked = self.sizes if self.widths or not quick else self.sizes[:-1]
        sizes = sorted({*asked, *map(filling, asked)}) if self.widths else list(asked)
        blocks = {size: Block(self.work(size)) for size in sizes}
        seconds: dict[int, list[float]] = {size: [] for size in sizes}
        order = random.Random(0)
        with no_garbage_collector():
            for _ in range(rounds):
                for size in order.sample(sizes, len(sizes)):
                    seconds[size].append(
                        blocks[size].seconds() / (size**2 if self.widths else size)
                    )
        least = min(sizes, key=lambda size: median(seconds[size]))
        beside = {size: filling(size) if self.widths else least for size in asked}
        return [
            Cost(
                self.unit,
                size,
                median(seconds[size]),
                median(a / b for a, b in zip(seconds[size], seconds[beside[size]], strict=True)),
            )
            for size in asked
        ]


def filling(width: int) -> int:
    """The least width, not below this one, that fills its vectors."""
    return -(-width // VECTOR) * VECTOR


class Block:
    """Work, done as often as makes a time worth taking."""

    def __init__(self, work: Work) -> None:
        self._work, self._times = work, 1
        self.seconds()
        self._times = max(1, round(BLOCK_SECONDS / self.seconds()))

    def seconds(self) -> float:
        """Of doing it once."""
        begin = time.perf_counter()
        for _ in range(self._times):
            self._work()
        return (time.perf_counter() - begin) / self._times


# ---- what grows


def draw(*shape: int) -> Array:
    """Inputs or targets from N(0, 1)."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def trained(layers: list[Any], x: Array, y: Array, *, batch: int = BATCH, **compiled: Any) -> Work:
    """One pass over the samples."""
    model = vg.Sequential(layers, input_shape=x.shape[1:], seed=0)
    model.compile("mse", vg.SGD(1e-4), **compiled)
    return lambda: model.fit(x, y, batch_size=batch, verbose=0)


def stack(layers: int, width: int = 100) -> list[Any]:
    """Dense layers, as in row D2."""
    return [*(vg.Dense(width, "tanh") for _ in range(layers - 1)), vg.Dense(10)]


def layers_made(layers: int) -> Work:
    """Construct, compile and plan a deep stack."""

    def make() -> None:
        model = vg.Sequential(stack(layers, 16), input_shape=16, seed=0)
        model.compile("mse", vg.SGD(1e-4))
        model.train_on_batch(x, y)

    x, y = draw(1, 16), draw(1, 10)
    return make


def layers_trained(layers: int) -> Work:
    """A few steps of a deep stack."""
    return trained(stack(layers, 128), draw(2 * 128, 128), draw(2 * 128, 10), batch=128)


def timesteps(times: int, units: int = 64, checkpoint: int | None = None) -> Work:
    """A step through long sequences."""
    x, y = draw(8, times, 2), draw(8, 1)
    return trained([vg.RNN(units), vg.Dense(1)], x, y, batch=8, checkpoint=checkpoint)


def chunks_of_time(times: int) -> Work:
    """The same, a step for each 100 timesteps."""
    layers = [vg.RNN(64, return_sequences=True), vg.Dense(1)]
    return trained(layers, draw(8, times, 2), draw(8, times, 1), batch=8, tbptt=100)


def samples(rows: int) -> Work:
    """An epoch, shuffled."""
    layers = [vg.Dense(64, "relu"), vg.Dense(64, "relu"), vg.Dense(1)]
    return trained(layers, draw(rows, 20), draw(rows, 1))


def samples_predicted(rows: int) -> Work:
    """A prediction."""
    model = vg.Sequential([vg.Dense(64, "relu"), vg.Dense(1)], input_shape=20, seed=0)
    x = draw(rows, 20)
    return lambda: model.predict(x)


def models(number: int) -> Work:
    """An epoch of many small networks side by side."""
    networks = [vg.Sequential(stack(5, 30), input_shape=30, seed=seed) for seed in range(number)]
    for network in networks:
        network.compile("mse", vg.SGD(1e-4))
    x, y = draw(1000, 30), draw(1000, 10)
    return lambda: vg.fit_many(networks, x, y, batch_size=10, verbose=0)


def dense_of_width(width: int) -> Work:
    """Ten layers of a width."""
    layers = [vg.Dense(width, "tanh") for _ in range(10)]
    return trained(layers, draw(4 * BATCH, width), draw(4 * BATCH, width))


def conv_of_width(width: int) -> Work:
    """Four convolutions of as many channels."""
    layers = [vg.Conv2d(width, 3, activation="relu", padding=1) for _ in range(4)]
    return trained([*layers, vg.GlobalAvgPool()], draw(16, width, 8, 8), draw(16, width), batch=16)


def rnn_of_width(width: int) -> Work:
    """300 timesteps of a width."""
    return trained([vg.RNN(width), vg.Dense(1)], draw(24, 300, 2), draw(24, 1), batch=24)


def lstm_of_width(width: int) -> Work:
    """300 timesteps of a width, with four gates."""
    return trained([vg.LSTM(width), vg.Dense(1)], draw(24, 300, 2), draw(24, 1), batch=24)


DECADES = {last: tuple(10**power for power in range(2, last + 1)) for last in (3, 4, 5, 6)}
GROWTHS = {
    "layers-made": Growth("layer, made", layers_made, DECADES[4]),
    "layers": Growth("layer", layers_trained, DECADES[4]),
    "timesteps": Growth("timestep, 64 units", timesteps, DECADES[5]),
    "timesteps-wide": Growth("timestep, 256 units", partial(timesteps, units=256), DECADES[5]),
    "timesteps-checkpointed": Growth(
        "timestep, checkpointed", partial(timesteps, checkpoint=100), DECADES[5][1:]
    ),
    "timesteps-truncated": Growth("timestep, truncated", chunks_of_time, DECADES[5]),
    "samples": Growth("sample", samples, DECADES[6][1:]),
    "predicted": Growth("sample, predicted", samples_predicted, DECADES[6][1:]),
    "models": Growth("model", models, (2, 10, 100, 1000)),
    "dense": Growth("pair of units, Dense", dense_of_width, WIDTHS, widths=True),
    "conv": Growth("pair of channels, Conv2d", conv_of_width, WIDTHS, widths=True),
    "rnn": Growth("pair of units, RNN", rnn_of_width, WIDTHS, widths=True),
    "lstm": Growth("pair of units, LSTM", lstm_of_width, WIDTHS, widths=True),
}


# ---- what is told


def table(growth: Growth, costs: Sequence[Cost]) -> str:
    """A table in Markdown, under a line that says what its columns are."""
    if growth.widths:
        about = (
            "time: of the whole, over the square of the width (at); relative: to the time at the next width "
            f"that fills its vectors, a multiple of {VECTOR}"
        )
    else:
        about = (
            "time: of the whole, over how many there are (at); relative: to the time at the size where it "
            "is least"
        )
    lines = [about, ""]
    lines += ["| cost of a | at | time | relative |", "|---|---:|---:|---:|"]
    for cost in costs:
        seconds = (
            f"{cost.seconds * 1e6:,.3g} µs"
            if cost.seconds > 1e-6
            else f"{cost.seconds * 1e9:.3g} ns"
        )
        lines.append(f"| {cost.growth} | {cost.size:,} | {seconds} | {cost.relative:.2f} |")
    return "\n".join(lines)


def environment(threads: int) -> dict[str, object]:
    """When, where and with what it was measured."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "vgcore_cpu": simd.level,
        "threads": threads,
    }


def draw_picture(costs: Sequence[Cost], about: dict[str, object], path: Path) -> None:
    """Two panels: what grows, over its size; and widths."""
    from vgcore.plot.style import COLOURS, blank

    figure = blank(11, 4.8)
    growing, across = figure.subplots(1, 2)
    widths = {growth.unit for growth in GROWTHS.values() if growth.widths}
    for axes, chosen in ((growing, False), (across, True)):
        names = [cost.growth for cost in costs if (cost.growth in widths) == chosen]
        for place, name in enumerate(dict.fromkeys(names)):
            mine = [cost for cost in costs if cost.growth == name]
            beside = 0.15 * (place - 1.5)  # so that no mark hides another
            axes.plot(
                [WIDTHS.index(cost.size) + beside if chosen else cost.size for cost in mine],
                [cost.relative for cost in mine],
                color=COLOURS[place % len(COLOURS)],
                marker="osD^vPXhp"[place % 9],
                linestyle="none" if chosen else "-" if place < len(COLOURS) else "--",
                markersize=5,
                label=name,
            )
        finish(axes, CROSSWISE if chosen else FLAT)
    growing.set(xscale="log", xlabel="how many there are", ylabel="time for each, of the cheapest")
    across.set(xlabel="units or channels", ylabel="time for each pair, of the next full vectors")
    across.set_xticks(range(len(WIDTHS)), [str(width) for width in WIDTHS])
    threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
    figure.suptitle(f"{about['cpu']}, {about['vgcore_cpu']}, {threads}")
    figure.savefig(path)


def finish(axes: Axes, bound: float) -> None:
    """From where nothing is lost to beyond what may be, and what the lines are."""
    axes.axhline(1, color="0.7", linewidth=0.8, zorder=0)
    axes.axhline(bound, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    axes.annotate(
        f"{bound:g}",
        (1, bound),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        color="0.3",
    )
    axes.set_ylim(bottom=0, top=max(axes.get_ylim()[1], bound + 0.2))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc="lower left")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("growths", nargs="*", metavar="WHAT", help=f"of {', '.join(GROWTHS)}")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--quick", action="store_true", help="leave out the largest sizes")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.growths if name not in GROWTHS]
    if unknown:
        parser.error(f"expected some of {', '.join(GROWTHS)}, got {unknown[0]}")
    vg.set_num_threads(options.threads)
    rounds = min(options.rounds, 3) if options.quick else options.rounds
    costs = []
    for name in options.growths or GROWTHS:
        some = GROWTHS[name].measured(rounds, options.quick)
        print(table(GROWTHS[name], some), end="\n\n", flush=True)
        costs += some
    about = environment(options.threads)
    if options.json:
        record = {**about, "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if options.picture:
        draw_picture(costs, about, options.picture)


if __name__ == "__main__":
    main()
