"""Sweeps: 200 small networks on one core and on all, and what a run costs beside its training.

python bench/sweeps.py              three rounds of 200 networks, then runs that do nothing, in processes
                                    and on a cluster of Dask on this machine
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import vgcore as vg


def train(config: dict[str, Any], seed: int) -> dict[str, float]:
    """Train a small network, for about 0.1 seconds."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 30)).astype(np.float32), rng.integers(10, size=1000)
    layers = [vg.Dense(30, "tanh") for _ in range(8)]
    model = vg.Sequential([*layers, vg.Dense(10, "softmax")], input_shape=30, seed=seed)
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
    return {"loss": model.fit(x, y, epochs=config["epochs"], verbose=0)["loss"][-1]}


def nothing(config: dict[str, Any], seed: int) -> dict[str, float]:
    """Do nothing."""
    return {"number": 1.0}


def seconds(
    function: Callable[..., Any], runs: int, epochs: int = 100, executor: Any = None
) -> float:
    """How long a sweep takes, its processes' start and its store included."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        table = vg.sweep(
            function,
            {"epochs": [epochs]},
            store=Path(folder) / "store",
            repeats=runs,
            executor=executor,
        )
        took = time.perf_counter() - begin
    assert not table.failures
    return took


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """An executor of a cluster of so many processes."""
    from distributed import Client, LocalCluster  # which processes that import this script need not

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as made,
        Client(made) as client,
    ):
        yield client.get_executor()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200, help="default: 200")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    given = parser.parse_args()
    cores = vg.get_num_threads()
    ratios = []
    for _ in range(given.rounds):
        took = []
        for number in (1, cores):
            vg.set_num_threads(number)
            took.append(seconds(train, given.runs))
        ratios.append(took[0] / took[1])
        told = f"{given.runs} networks: {took[0]:.1f} s on 1 core, {took[1]:.1f} s on {cores}"
        print(f"{told}, {ratios[-1]:.2f} times as fast", flush=True)
    print(f"median {median(ratios):.2f}")
    start = seconds(nothing, 1)
    own = (seconds(nothing, 1000) - start) / 999
    print(f"processes: {start:.2f} s to begin, {1000 * own:.2f} ms a run")
    with cluster(cores) as executor:
        seconds(nothing, 10, executor=executor)
        of_dask = [seconds(nothing, 400, executor=executor) / 400 for _ in range(given.rounds)]
        print(f"Dask: {1000 * median(of_dask):.2f} ms a run")


if __name__ == "__main__":
    main()
