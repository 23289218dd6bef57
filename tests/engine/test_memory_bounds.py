"""Kernels read and write nothing beside their arrays, which end or begin at a page that nobody may touch.

Run as a script, which the test does in a process of its own, for what is found ends it.
"""

import ctypes
import mmap
import sys

import numpy as np
import pytest

from vgcore._core import image_kernels, kernels, norm_kernels, simd
from vgcore._core.function import ActivationFunction
from vgcore._core.neighbours import Window

SIZES = [1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 48, 64, 65, 100]
FUNCTIONS = {name: ActivationFunction(code, 0.1) for name, code in simd.ACTIVATIONS.items()}


class Guarded:
    """Arrays in memory of their own, between two pages without permissions."""

    def __init__(self, dtype, at_end):
        self.dtype, self.at_end = np.dtype(dtype), at_end
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape):
        """Random numbers, without padding."""
        count = int(np.prod(shape))
        size, page = count * self.dtype.itemsize, mmap.PAGESIZE
        inside = -(-size // page) * page
        memory = mmap.mmap(-1, inside + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        libc = ctypes.CDLL(None, use_errno=True)
        for guard in (start, start + page + inside):
            assert not libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0)
        offset = page + (inside - size if self.at_end else 0)
        array = np.frombuffer(memory, self.dtype, count, offset).reshape(shape)
        array[...] = self.rng.normal(size=shape)
        return array


def products(new, rows, inputs, outputs):
    x, w, y, b = new(rows, inputs), new(inputs, outputs), new(rows, outputs), new(outputs)
    for add in (False, True):
        kernels.affine(y, x, w, None if add else b, add=add)
        kernels.affine_packed(y, x, w, add=add)
        kernels.affine_input(x, y, w, add=add)
        kernels.affine_weight(w, x, y, add=add)
        kernels.column_sums(b, y, add=add)


def elementwise(new, rows, cols):
    h, z, delta, x = (new(rows, cols) for _ in range(4))
    for f in FUNCTIONS.values():
        kernels.activation(h, z, f)
        kernels.activation_backward(delta, h, z, f)
    kernels.exp(z)
    kernels.dropout(h, x, 0.5, 1)
    kernels.add_noise(z.reshape(-1), 0.1, 1)
    for a in (new(1), new(cols)):
        norm_kernels.prelu(h, x, a)


def normalisation(new, rows, cols):
    h, x, weight, bias = new(rows, cols), new(rows, cols), new(cols), new(cols)
    mean, variance = np.zeros(cols), np.ones(cols)
    columns = norm_kernels.normaliser(mean, variance, 1e-5, h.dtype)
    for f in (FUNCTIONS["identity"], FUNCTIONS["relu"], FUNCTIONS["tanh"]):
        norm_kernels.normalise(h, h, x, columns, weight, bias, f)
        norm_kernels.row_normalise(h, h, x, weight, bias, 1e-5, True, f)
    norm_kernels.column_moments(x)


def images(new, rows, channels, filters):
    window = Window((1, 6), (1, 3), (1, 1), ((0, 0), (1, 1)), (1, 1))
    table, factor = window.forward(), np.ones(64, new.dtype)
    x, w, y, b = (
        new(6 * rows, channels),
        new(3 * channels, filters),
        new(6 * rows, filters),
        new(filters),
    )
    image_kernels.convolve(y, x, w, table, rows=rows, b=b)
    image_kernels.convolve(x, y, w, window.backward(), rows=rows, transposed=True)
    image_kernels.convolve_weight(w, x, y, window.weight(), rows=rows)
    y, dy = new(6 * rows, channels), new(6 * rows, channels)
    image_kernels.max_pool(y, x, table, rows=rows)
    image_kernels.max_pool_backward(x, dy, y, x.copy(), table, rows=rows)
    image_kernels.average_pool(y, x, table, factor, rows=rows)
    image_kernels.relayout(new(rows, 6 * channels), y, rows=rows, x_places=6)


def main(dtype):
    for at_end in (True, False):
        for cols in SIZES:
            for rows in (1, 3, 8, 13):
                for kind, sizes in (
                    (products, (7, cols)),
                    (products, (cols, 5)),
                    (elementwise, (cols,)),
                    (normalisation, (cols,)),
                    (images, (cols, 3)),
                    (images, (2, cols)),
                ):
                    print(
                        kind.__name__, "at the end" if at_end else "at the beginning", rows, *sizes
                    )
                    sys.stdout.flush()
                    kind(Guarded(dtype, at_end), rows, *sizes)


@pytest.mark.skipif(sys.platform == "win32", reason="pages are protected otherwise there")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_stay_inside_their_arrays(dtype):
    from processes import run_python  # not found by the script

    done = run_python("-X", "faulthandler", __file__, dtype)
    assert done.returncode == 0, done.stdout[-80:] + done.stderr


if __name__ == "__main__":
    main(sys.argv[1])
