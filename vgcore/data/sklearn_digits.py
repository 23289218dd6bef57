"""The 8x8 handwritten digits that come with scikit-learn: real data without a network.

E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
Repository (1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read the 1797 digits bundled with scikit-learn.

    Returns
    -------
    x : ndarray of float32, shape (1797, 64)
        Amount of ink from 0 to 1, in steps of 1/16, row by row of the 8x8 image.
    y : ndarray of int64, shape (1797,)
        The digits, 0 to 9.

    Raises
    ------
    ImportError
        If scikit-learn, which the extra "demo" brings, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        about = _extras.missing("scikit-learn", "demo", "the digits need")
        raise ImportError(about) from error
    x, y = load_digits(return_X_y=True)
    return np.divide(x, 16).astype(np.float32), y.astype(np.int64)
