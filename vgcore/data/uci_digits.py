"""The 8x8 handwritten digits of the UCI Machine Learning Repository: real data without a network.

E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
Repository (1998), https://doi.org/10.24432/C50P49, licence CC BY 4.0 (digits.LICENSE beside it).

The file is one IDX array of unsigned bytes, gzipped, laid out as UCI's own: a row for each image of
64 pixels from 0 to 16, then the digit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcore.data import idx


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read the 1797 handwritten digits that come with vgcore.

    They are the part to test on of UCI's "Optical recognition of handwritten digits" (Alpaydin and
    Kaynak 1998), in its order, written by 13 people: what scikit-learn's ``load_digits`` reads, with
    ink from 0 to 1 instead of 16.

    Returns
    -------
    x : ndarray of float32, shape (1797, 64)
        Amount of ink from 0 to 1, in steps of 1/16, row by row of the 8x8 image.
    y : ndarray of int64, shape (1797,)
        The digits, 0 to 9.
    """
    rows = idx.read(Path(__file__).with_name("digits.idx.gz"))
    return np.divide(rows[:, :64], 16, dtype=np.float32), rows[:, 64].astype(np.int64)
