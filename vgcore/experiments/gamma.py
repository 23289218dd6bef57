"""Mean and variance of the logarithm of sums of squares of normal numbers: psi and its derivative."""

from __future__ import annotations

from math import log, pi

import numpy as np


def digamma(twice: int) -> float:
    """ψ(twice / 2); E ln of chi-squared of n degrees of freedom is ln 2 + ψ(n/2)."""
    start = -np.euler_gamma - (2 * log(2) if twice % 2 else 0)
    return float(start + sum(2 / n for n in range(2 - twice % 2, twice, 2)))


def trigamma(twice: int) -> float:
    """ψ'(twice / 2), the variance of that logarithm."""
    start = pi**2 / (2 if twice % 2 else 6)
    return start - sum(4 / n**2 for n in range(2 - twice % 2, twice, 2))
