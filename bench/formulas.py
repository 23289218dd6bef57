"""Formulas beside the built-in activations that compute the same: `python bench/formulas.py`.

Times are medians of runs that take turns in one process, on one thread; a forward and a backward pass of a
matrix as a layer has it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import vgcore as vg
from vgcore._core import kernels, simd

PAIRS = {
    "silu": "z * sigmoid(z)",
    "gelu": "0.5 * z * (1 + erf(z / sqrt(2)))",
    "gelu_tanh": "0.5 * z * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z ** 3)))",
    "softplus": "softplus(z)",
    "tanh": "tanh(z)",
    "sigmoid": "sigmoid(z)",
    "mish": "z * tanh(softplus(z))",
    "snake": "z + sin(z) ** 2",
    "hard_swish": "z * minimum(maximum(z + 3, 0), 6) / 6",
    "elu": "where(z < 0, exp(z) - 1, z)",
    "relu": "where(z > 0, z, 0)",
}
SHAPES = [(128, 30), (128, 512), (8, 4096)]
RUNS = 200


def times(name: str, shape: tuple[int, int], dtype: str) -> dict[tuple[str, str], float]:
    """Median seconds of the built-in and of the formula, forward and backward."""
    z, h, delta = (kernels.matrix(*shape, dtype) for _ in range(3))
    z[...] = np.random.default_rng(0).normal(size=shape)
    functions = {
        "built-in": vg.activations.get(name).function,
        "formula": vg.activations.formula(PAIRS[name]).function,
    }
    found: dict[tuple[str, str], list[float]] = {
        (who, way): [] for who in functions for way in ("forward", "backward")
    }
    for _ in range(RUNS):
        for who, function in functions.items():
            delta[...] = 1
            begin = time.perf_counter()
            kernels.activation(h, z, function)
            middle = time.perf_counter()
            kernels.activation_backward(delta, h, z, function)
            found[who, "backward"].append(time.perf_counter() - middle)
            found[who, "forward"].append(middle - begin)
    return {key: statistics.median(seconds) for key, seconds in found.items()}


def main() -> None:
    """Parse the command line, measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    shapes = ", ".join(f"{rows} × {cols}" for rows, cols in SHAPES)
    print(f"{simd.level}: time of formula / built-in: forward, backward and both; of {shapes}")
    for dtype in ("float32", "float64"):
        for name in PAIRS:
            row = []
            for shape in SHAPES:
                t = times(name, shape, dtype)
                ways = [t["formula", way] / t["built-in", way] for way in ("forward", "backward")]
                both = [
                    sum(t[who, way] for way in ("forward", "backward"))
                    for who in ("formula", "built-in")
                ]
                row.append("{:5.2f} {:5.2f} {:5.2f}".format(*ways, both[0] / both[1]))
            print(f"{dtype} {name:10}", " | ".join(row))


if __name__ == "__main__":
    main()
