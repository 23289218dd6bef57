"""What threads gain, and what they cost where CPUs are busy; one table.

python bench/threads.py                     networks D1, D2 and D3, a minute each
python bench/threads.py D2 --rounds 9

Each number is the median over rounds of a block on one thread and its neighbour on two, both in one process.
`busy` has another process that spins on one of the CPUs; `both` is the throughput of two models that two
Python threads train at the same time, over that of one model on one thread. It needs Linux and two CPUs.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from statistics import median

import vgcore as vg
from peers.vgcore_fit import VgcoreFit
from workloads import ROWS, Workload

SPIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
TWO = 2
CALL_SECONDS = 0.1


@contextmanager
def busy_cpu() -> Iterator[None]:
    """Another process spins on the last of the CPUs."""
    cpu = max(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", SPIN, str(cpu)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Network:
    """A model and its data, ready to be trained for a while."""

    def __init__(self, workload: Workload, threads: int) -> None:
        self.threads = threads
        self._peer = VgcoreFit(workload, threads)
        self._epochs = 1  # of a call of `fit`
        self._peer.run(1)
        self._epochs = math.ceil(CALL_SECONDS * self.speed(CALL_SECONDS) / workload.batches)

    def speed(self, seconds: float) -> float:
        """Steps per second, over a while."""
        vg.set_num_threads(self.threads)
        begin, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < seconds:
            self._peer.run(self._epochs)
            steps += self._epochs * self._peer.workload.batches
        return steps / elapsed


def gain(workload: Workload, rounds: int, seconds: float, *, busy: bool) -> tuple[float, float]:
    """Milliseconds of a step on one thread, and the time on two threads relative to that."""
    with busy_cpu() if busy else nullcontext():
        one, two = (Network(workload, threads) for threads in (1, TWO))
        pairs = [(one.speed(seconds), two.speed(seconds)) for _ in range(rounds)]
    return 1e3 / median(a for a, _ in pairs), median(a / b for a, b in pairs)


def together(workload: Workload, rounds: int, seconds: float) -> float:
    """Throughput of two models in two Python threads, relative to one model on one thread."""
    alone = Network(workload, 1)
    pair = [Network(workload, TWO) for _ in range(TWO)]
    ratios = []
    with ThreadPoolExecutor(TWO) as pool:
        for _ in range(rounds):
            speed = alone.speed(seconds)
            ratios.append(sum(pool.map(lambda network: network.speed(seconds), pair)) / speed)
    return median(ratios)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=["D1", "D2", "D3"], metavar="ROW")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a block; default: 1")
    options = parser.parse_args()
    print(
        "1 thread: time of a step; 2 / 1: its time on 2 threads over that, where the CPUs are idle and where "
        "one is busy; both: steps per second of two models in two Python threads, over those of one\n"
    )
    print("| row | 1 thread, ms | 2 / 1, idle | 2 / 1, busy | both |")
    print("|---|---:|---:|---:|---:|")
    for name in options.rows:
        how = ROWS[name], options.rounds, options.seconds
        step, idle = gain(*how, busy=False)
        _, busy = gain(*how, busy=True)
        both = together(*how)
        print(f"| {name} | {step:.3f} | {idle:.2f} | {busy:.2f} | {both:.2f}× |", flush=True)


if __name__ == "__main__":
    main()
