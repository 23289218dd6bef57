"""Streams of random numbers that share nothing, neither with each other nor with a model's first weights.

A model with ``seed=s`` draws its weights from NumPy's ``default_rng(s)``: inputs drawn from that are those
weights, and ``default_rng((s, 0))`` is the same, too, for zeros at the end of a seed count for nothing.
"""

from __future__ import annotations

import numpy as np


def stream(seed: int, *key: int) -> np.random.Generator:
    """The stream of an experiment's seed that belongs to a key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(len(key), *key)))
