"""Leaf kernels at the CPU level in use, beside NumPy's: `pytest bench`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from vgcore._core import image_kernels, kernels, simd
from vgcore._core.function import ActivationFunction
from vgcore._core.neighbours import Window
from workloads import Array

# rows, inputs, outputs: the first and a hidden layer of D1, a layer of D2, D3 and D4
PRODUCTS = [(10, 784, 30), (10, 30, 30), (32, 100, 100), (128, 512, 512), (256, 1024, 1024)]


def _filled(rows: int, cols: int) -> Array:
    matrix = kernels.matrix(rows, cols, np.float32)
    matrix[...] = np.random.default_rng(0).normal(size=(rows, cols))
    return matrix


def _product(kernel: str, rows: int, inputs: int, outputs: int) -> Callable[[], None]:
    """Return a call of one of a dense layer's three products."""
    x, dy, w = (
        _filled(rows, inputs),
        _filled(rows, outputs),
        np.zeros((inputs, outputs), np.float32),
    )
    out = {
        "affine": _filled(rows, outputs),
        "affine_input": _filled(rows, inputs),
        "affine_weight": w,
    }[kernel]
    factors = {"affine": (x, w), "affine_input": (dy, w), "affine_weight": (x, dy)}[kernel]
    return lambda: getattr(kernels, kernel)(out, *factors)


@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
@pytest.mark.parametrize("kernel", ["affine", "affine_input", "affine_weight"])
def test_product(benchmark: BenchmarkFixture, kernel: str, shape: tuple[int, int, int]) -> None:
    """Time a product; its floating-point operations are in the extra info."""
    benchmark.group = f"product {shape}"
    benchmark.extra_info["flops"] = 2 * int(np.prod(shape))
    benchmark(_product(kernel, *shape))


# channels and size of images: of the stages of a residual network
STAGES = [(16, 32), (32, 16), (64, 8)]


@pytest.mark.parametrize("stage", STAGES, ids=str)
@pytest.mark.parametrize("kernel", ["forward", "input", "weight"])
def test_convolution(benchmark: BenchmarkFixture, kernel: str, stage: tuple[int, int]) -> None:
    """Time a 3 x 3 convolution of 32 images; its floating-point operations are in the extra info."""
    channels, size = stage
    window = Window((size, size), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    x, y = (_filled(32 * size * size, channels) for _ in range(2))
    w = np.zeros((9 * channels, channels), np.float32)
    forward, backward, weight = window.forward(), window.backward(), window.weight()
    call = {
        "forward": lambda: image_kernels.convolve(y, x, w, forward, rows=32),
        "input": lambda: image_kernels.convolve(x, y, w, backward, rows=32, transposed=True),
        "weight": lambda: image_kernels.convolve_weight(w, x, y, weight, rows=32),
    }[kernel]
    benchmark.group = f"convolution {stage}"
    benchmark.extra_info["flops"] = 2 * len(window.p) * channels * channels * 32
    benchmark(call)


@pytest.mark.parametrize("name", simd.ACTIVATIONS)
def test_activation(benchmark: BenchmarkFixture, name: str) -> None:
    """Time an activation of 32 x 100 elements."""
    benchmark.group = "activation"
    h, z = _filled(32, 100), _filled(32, 100)
    benchmark(kernels.activation, h, z, ActivationFunction(simd.ACTIVATIONS[name], 1.0))


@pytest.mark.parametrize("function", [kernels.tanh, kernels.exp, np.tanh, np.exp])
def test_elementary_function(
    benchmark: BenchmarkFixture, function: Callable[[Array], Array]
) -> None:
    """Time a function of 10,000 elements."""
    benchmark.group = "elementary functions"
    benchmark(function, np.linspace(-5, 5, 10_000, dtype=np.float32))
