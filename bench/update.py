"""Time Adam's update of 10 million parameters beside the time its arrays take to stream through memory.

python bench/update.py                    at 1 and 2 threads
python bench/update.py --parameters 1000000 --threads 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table

from vgcore import losses, optimizers
from vgcore._core import kernels, simd
from vgcore.model import planning

ROUNDS = 101
CHUNK = 1024  # elements, as the engine has them: the grain of threads and norms
BYTES = 28  # of one parameter: w, g, m and v are read, w, m and v are written


class Vectors:
    """Parameters, gradient and Adam's two moments."""

    def __init__(self, parameters: int) -> None:
        rng = np.random.default_rng(0)
        self.w, self.g, self.m, self.v = (kernels.vector(parameters, np.float32) for _ in range(4))
        for vector in (self.w, self.g):
            vector[...] = rng.standard_normal(parameters, dtype=np.float32)
        compiled = planning.Compiled(losses.get("mse", "mean", "identity"), optimizers.Adam())
        self._numbers = compiled.update()

    def adam(self, part: slice) -> None:
        """A step of a part."""
        states, rule = [self.m[part], self.v[part]], simd.RULES["adam"]
        kernels.update(
            self.w[part], states, self.g[part], rule, self._numbers, time=10, chunk=CHUNK
        )

    def stream(self, part: slice) -> None:
        """The same reads and writes, and an addition for each."""
        kernels.stream(self.w[part], [self.m[part], self.v[part]], self.g[part])


def seconds(kernel: Callable[[slice], None], parts: list[slice], pool: ThreadPoolExecutor) -> float:
    """Time a kernel on all parts at once."""
    start = time.perf_counter()
    list(pool.map(kernel, parts))
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parameters", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    options = parser.parse_args(arguments)
    chunks = -(-options.parameters // CHUNK)
    vectors = Vectors(chunks * CHUNK)
    table = Table(
        *("threads", "stream", "GB/s", "Adam", "Adam / stream"),
        caption="least times: of streaming the same arrays, at so many bytes per second, and of the update",
    )
    for threads in options.threads:
        cuts = [chunks * i // threads * CHUNK for i in range(threads + 1)]
        parts = [slice(cuts[i], cuts[i + 1]) for i in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            rounds = [
                [seconds(kernel, parts, pool) for kernel in (vectors.stream, vectors.adam)]
                for _ in range(ROUNDS)
            ]
        stream, adam = map(min, zip(*rounds, strict=True))
        speed = BYTES * chunks * CHUNK / stream / 1e9
        table.add_row(
            f"{threads}", f"{1e3 * stream:.2f} ms", f"{speed:.1f}", f"{1e3 * adam:.2f} ms",
            f"{adam / stream:.2f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
