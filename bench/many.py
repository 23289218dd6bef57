"""Many small networks: `fit_many` on several threads beside `fit`, one after the other on one thread.

python bench/many.py                      200 networks of row D1, ten epochs of 1,000 samples each
python bench/many.py --networks 50 --row D2
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import vgcore as vg
from timing import no_garbage_collector
from vgcore._core import simd
from workloads import ROWS, DenseWorkload

LEARNING_RATE = 0.01


def networks(workload: DenseWorkload, number: int) -> list[vg.Sequential]:
    """Networks of one row, each from a seed of its own."""
    inputs, *hidden, classes = workload.sizes
    made = []
    for seed in range(number):
        layers = [vg.Dense(units, workload.activation) for units in hidden]
        model = vg.Sequential(
            [*layers, vg.Dense(classes, "softmax")], input_shape=inputs, seed=seed
        )
        model.compile(workload.loss, vg.SGD(LEARNING_RATE))
        made.append(model)
    return made


def seconds(run: Callable[[], object], threads: int) -> float:
    """Time it on so many threads."""
    vg.set_num_threads(threads)
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rows = [name for name, row in ROWS.items() if isinstance(row, DenseWorkload)]
    parser.add_argument("--row", choices=rows, default="D1", help="default: D1")
    parser.add_argument("--networks", type=int, default=200, help="default: 200")
    parser.add_argument("--epochs", type=int, default=10, help="default: 10")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    options = parser.parse_args(arguments)
    if min(options.networks, options.epochs, options.threads, options.rounds) < 1:
        parser.error("expected numbers of at least 1")
    workload = ROWS[options.row]
    x, y = workload.data()
    how = {"epochs": options.epochs, "batch_size": workload.batch, "verbose": 0}
    pairs = []
    for _ in range(options.rounds):
        first, second = (networks(workload, options.networks) for _ in range(2))
        with no_garbage_collector():
            alone = seconds(lambda some=first: [model.fit(x, y, **how) for model in some], 1)
            many = seconds(lambda some=second: vg.fit_many(some, x, y, **how), options.threads)
        pairs.append((alone, many))
    ratio = median(alone / many for alone, many in pairs)
    each = 1e3 / options.networks
    print(
        f"{simd.level}; the time of {options.epochs} epochs of all networks, over their number: "
        f"by fit, one network after another on 1 thread, and by fit_many on {options.threads}; "
        "faster: the ratio\n"
    )
    print("| row | networks | fit, each | fit_many, each | faster |\n|---|---:|---:|---:|---:|")
    print(
        f"| {options.row} | {options.networks} | {median(a for a, _ in pairs) * each:.2f} ms "
        f"| {median(m for _, m in pairs) * each:.2f} ms | {ratio:.2f}× |"
    )


if __name__ == "__main__":
    main()
