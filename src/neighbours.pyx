"""Which places of an image a window sees: the tables behind convolutions and pools.

Place y * width + x of an image is row y, column x. A window stands over a place p of the output; its tap
k sees a place q of the input, or the padding, which is in no table.
"""

import numpy as np

from .arrays cimport int32s_of

BLOCK = 8  # places that a weight's gradient reads in one go


cdef class Table:
    """Pairs (left, right) in the order of their destinations, and otherwise in that given."""

    def __init__(self, destination, Py_ssize_t count, left, right):
        order = np.argsort(destination, kind="stable")
        first = np.zeros(count + 1, np.int32)
        np.cumsum(np.bincount(destination, minlength=count), out=first[1:])
        self.arrays = first, left[order].astype(np.int32), right[order].astype(np.int32)
        self.pairs.count = count
        self.pairs.first = int32s_of("first", first)
        self.pairs.left = int32s_of("left", self.arrays[1])
        self.pairs.right = int32s_of("right", self.arrays[2])


class Window:
    """A kernel that slides over an image: two of each, for its height and its width.

    p, q, k (pairs,): tap k of the window over place p of the output sees place q of the input; sorted by
    p, then q. Taps are counted down the columns of the kernel, as a weight in Fortran order stores them.
    """

    def __init__(self, size, kernel, stride, padding, dilation):
        (rows, oy, iy, ky), (columns, ox, ix, kx) = map(axis, size, kernel, stride, padding, dilation)
        p, q, k = (
            np.add.outer(y * across, x).ravel()
            for y, across, x in ((oy, columns, ox), (iy, size[1], ix), (ky, 1, kx * kernel[0]))
        )
        order = np.argsort(p, kind="stable")
        self.p, self.q, self.k = p[order], q[order], k[order]
        self.inputs, self.outputs, self.taps = size[0] * size[1], rows * columns, kernel[0] * kernel[1]

    def forward(self):
        """Of each place of the output: (q, k)."""
        return Table(self.p, self.outputs, self.q, self.k)

    def backward(self):
        """Of each place of the input: (p, k)."""
        return Table(self.q, self.inputs, self.p, self.k)

    def weight(self):
        """Of each tap in each block of places of the output: (q, p)."""
        blocks = -(-self.outputs // BLOCK)
        return Table(self.p // BLOCK * self.taps + self.k, blocks * self.taps, self.q, self.p)


def axis(size, kernel, stride, padding, dilation):
    """How many windows there are along one axis; of each pair the window, the place it sees and the tap."""
    before, after = padding
    count = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    window, tap = np.divmod(np.arange(count * kernel), kernel)
    place = window * stride - before + tap * dilation
    inside = (place >= 0) & (place < size)
    return count, window[inside], place[inside], tap[inside]
