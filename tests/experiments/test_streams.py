"""Streams of random numbers: none is another's, or a model's weights'."""

from __future__ import annotations

import numpy as np

from vgcore.experiments.streams import stream


def test_no_stream_is_another() -> None:
    keys = [(seed, *key) for seed in (0, 1, 300) for key in ((), (0,), (0, 0), (1,), (0, 1), (2,))]
    drawn = {stream(*key).integers(2**62) for key in keys}
    drawn |= {np.random.default_rng(seed).integers(2**62) for seed in range(301)}
    drawn |= {np.random.default_rng(key).integers(2**62) for key in keys if key[-1] and key[1:]}
    assert len(drawn) == len(keys) + 301 + sum(bool(key[-1] and key[1:]) for key in keys)
    assert stream(3, 1).integers(9**9) == stream(3, 1).integers(9**9)
