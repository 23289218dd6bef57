"""Matrix products beside NumPy's BLAS, on one core: `python bench/products.py`, and `--accuracy`.

The three products of a dense layer, of the shapes that networks of the speed table have and of shapes
drawn once, logarithmically: each in turn with BLAS in one process, by medians. Matrices lie as the engine
lays them, aligned and with padded rows. At a level below AVX-512 BLAS is told to stay below it, too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

LEVEL_OF_BLAS = {
    "baseline": "Core2",
    "avx2": "Haswell",
}  # OpenBLAS' names of what it has kernels for
for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"
if os.environ.get("VGCORE_CPU") in LEVEL_OF_BLAS:
    os.environ["OPENBLAS_CORETYPE"] = LEVEL_OF_BLAS[os.environ["VGCORE_CPU"]]

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from vgcore._core import kernels, simd  # noqa: E402

Array = NDArray[np.floating]

# rows x inputs x outputs: layers of L2, R2, G1, L1, D3, D4, and long thin ones
SHAPES = [
    (12_800, 256, 1024),
    (16_000, 128, 128),
    (6_400, 128, 384),
    (3_200, 64, 256),
    (128, 512, 512),
    (256, 1024, 1024),
    (100_000, 32, 128),
]
DRAWN = 30
MOST_ROWS, MOST_COLS, MOST_FLOPS = 100_000, 4096, 20e9
BLOCK_SECONDS, ROUNDS = 0.004, 9
PRODUCTS = ("x w", "dy wᵀ", "xᵀ dy")
DEPTHS = [256, 1_000, 4_096, 65_536, 500_000, 1_000_000]


class Timed(NamedTuple):
    """One product of one shape and dtype."""

    shape: tuple[int, int, int]
    dtype: str
    product: str
    ours: float  # seconds
    blas: float
    of_peak: float

    @property
    def ratio(self) -> float:
        """How many times as fast as BLAS."""
        return self.blas / self.ours


def drawn(seed: int = 0) -> list[tuple[int, int, int]]:
    """Shapes whose sizes are spread evenly over their logarithms."""
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, int, int]] = []
    while len(shapes) < DRAWN:
        most = np.log([MOST_ROWS, MOST_COLS, MOST_COLS])
        rows, inputs, outputs = (int(n) for n in np.exp(rng.uniform(0, most)).round())
        if 2 * rows * inputs * outputs <= MOST_FLOPS:
            shapes.append((rows, inputs, outputs))
    return shapes


def matrix(rng: np.random.Generator, rows: int, cols: int, dtype: str) -> Array:
    """Return what the engine would: aligned, rows padded and in different sets of the cache."""
    lanes = 64 // np.dtype(dtype).itemsize
    stride = -(-cols // lanes) * lanes
    stride += lanes if stride * np.dtype(dtype).itemsize % 2048 == 0 else 0
    memory = np.empty(rows * stride + lanes, dtype)
    begin = -memory.ctypes.data % 64 // memory.itemsize
    made = memory[begin : begin + rows * stride].reshape(rows, stride)
    made[...] = rng.standard_normal((1, stride))
    return made[:, :cols]


def calls(
    shape: tuple[int, int, int], dtype: str
) -> Iterator[tuple[str, Callable[[], object], ...]]:
    """Each product's name, our call and BLAS' call."""
    rng = np.random.default_rng(0)
    rows, inputs, outputs = shape
    x, dx = (matrix(rng, rows, inputs, dtype) for _ in range(2))
    y, dy = (matrix(rng, rows, outputs, dtype) for _ in range(2))
    w, dw = (rng.standard_normal((inputs, outputs)).astype(dtype) for _ in range(2))
    yield "x w", lambda: kernels.affine(y, x, w), lambda: np.matmul(x, w, out=y)
    yield "dy wᵀ", lambda: kernels.affine_input(dx, dy, w), lambda: np.matmul(dy, w.T, out=dx)
    yield "xᵀ dy", lambda: kernels.affine_weight(dw, x, dy), lambda: np.matmul(x.T, dy, out=dw)


def median_seconds(*functions: Callable[[], object]) -> list[float]:
    """Median seconds of a call of each, in blocks that take turns."""
    begin = time.perf_counter()
    for function in functions:
        function()
    once = (time.perf_counter() - begin) / len(functions)
    repeats = max(1, int(BLOCK_SECONDS / once))
    found: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS if once < 1 else 3):
        for function, seconds in zip(functions, found, strict=True):
            begin = time.perf_counter()
            for _ in range(repeats):
                function()
            seconds.append((time.perf_counter() - begin) / repeats)
    return [statistics.median(seconds) for seconds in found]


def measured(shapes: list[tuple[int, int, int]]) -> Iterator[Timed]:
    for dtype in ("float32", "float64"):
        for shape in shapes:
            peak = simd.fma_peak(0.02) * 1e9 * 4 / np.dtype(dtype).itemsize
            for product, ours, blas in calls(shape, dtype):
                mine, theirs = median_seconds(ours, blas)
                flops = 2 * float(np.prod(shape, dtype=float))
                yield Timed(shape, dtype, product, mine, theirs, flops / mine / peak)


def speed(console: Console) -> None:
    """Print the table of speeds, and what falls short."""
    shapes = [*SHAPES, *drawn()]
    table = Table(
        title=f"{simd.level}: how many times as fast as NumPy's BLAS, and our share of one core's FMA peak",
        box=box.MARKDOWN,
    )
    for heading in ("rows × in × out", "dtype", *PRODUCTS):
        table.add_column(heading, justify="right", no_wrap=True)
    found = list(measured(shapes))
    for first in range(0, len(found), len(PRODUCTS)):
        of_shape = found[first : first + len(PRODUCTS)]
        cells = [f"{each.ratio:.2f}, {each.of_peak:.0%}" for each in of_shape]
        table.add_row(" × ".join(map(str, of_shape[0].shape)), of_shape[0].dtype, *cells)
    console.print(table)
    slower = [each for each in found if each.ratio < 1]
    large = [each for each in found if min(each.shape) >= 128]
    below = [each for each in large if each.of_peak < 0.85]
    console.print(
        f"slower than BLAS: {len(slower)} of {len(found)}", *(_named(e) for e in slower), sep="\n  "
    )
    console.print(
        f"below 85 % of the peak, all sizes ≥ 128: {len(below)} of {len(large)}",
        *(_named(each) for each in below),
        sep="\n  ",
    )


def _named(each: Timed) -> str:
    return f"{each.shape} {each.dtype} {each.product}: {each.ratio:.2f}, {each.of_peak:.0%}"


def accuracy(console: Console) -> None:
    """Print the relative errors of sums of positive float32 numbers, ours and BLAS'."""
    table = Table(
        title=f"{simd.level}: relative errors (root mean square) of sums of float32, depth terms each",
        caption="ours, BLAS' in the column after it, and ours over BLAS'",
        box=box.MARKDOWN,
    )
    for heading in (
        "depth",
        "xᵀ dy",
        "BLAS",
        "ratio",
        "x w",
        "BLAS",
        "ratio",
        "column sums",
        "BLAS",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    rng = np.random.default_rng(0)
    for depth in DEPTHS:
        x, dy = (matrix(rng, depth, 16, "float32") for _ in range(2))
        for each in (x, dy):
            each[...] = rng.random(each.shape)
        exact = x.astype(float).T @ dy.astype(float)
        wide, w = np.ascontiguousarray(x.T), np.ascontiguousarray(dy)
        dw, y = np.empty((2, 16, 16), "float32")
        kernels.affine_weight(dw, x, dy)
        kernels.affine(y, wide, w)
        sums = kernels.vector(16, "float32")
        kernels.column_sums(sums, dy)
        ones = np.ones((1, depth), "float32")
        errors = [_error(got, exact) for got in (dw, x.T @ dy, y, wide @ w)] + [
            _error(got, dy.sum(0, dtype=float)) for got in (sums, (ones @ dy)[0])
        ]
        table.add_row(
            f"{depth:,}",
            *(f"{e:.1e}" for e in errors[:2]),
            f"{errors[0] / errors[1]:.2f}",
            *(f"{e:.1e}" for e in errors[2:4]),
            f"{errors[2] / errors[3]:.2f}",
            *(f"{e:.1e}" for e in errors[4:]),
        )
    console.print(table)


def _error(got: Array, exact: Array) -> float:
    return float(np.sqrt(np.mean((got / exact - 1) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--accuracy", action="store_true", help="how many digits, instead of how fast"
    )
    chosen = accuracy if parser.parse_args().accuracy else speed
    chosen(Console(width=120))


if __name__ == "__main__":
    main()
