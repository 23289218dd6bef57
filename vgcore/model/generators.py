"""NumPy's random generators in files."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgcore import _validate

_KINDS: dict[str, type[np.random.BitGenerator]] = {
    kind.__name__: kind
    for kind in (
        np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64,
    )
}  # fmt: skip
# Of the single numbers in their states; NumPy reads where `pos` says, whatever it says
_MOST = {
    "state": 2**128 - 1,
    "inc": 2**128 - 1,
    "has_uint32": 1,
    "uinteger": 2**32 - 1,
    "pos": 624,
    "buffer_pos": 4,
}


def describe(generator: np.random.Generator) -> dict[str, Any]:
    """The state of a generator; ValueError if it is none of NumPy's own."""
    bits = generator.bit_generator
    if type(bits) not in _KINDS.values():
        raise ValueError(
            f"seed: expected a generator of {', '.join(_KINDS)} to save or copy a model, got one of "
            f"{type(bits).__name__}"
        )
    return dict(bits.state)


def restore(state: dict[str, Any]) -> np.random.Generator:
    """The generator that `describe` described; ValueError, KeyError, ... if it described none."""
    bits = _KINDS[_validate.one_of("rng", state["bit_generator"], _KINDS)](0)
    bits.state = _checked("rng", state, bits.state)
    return np.random.Generator(bits)


def _checked(name: str, given: Any, sample: Any) -> Any:
    """What is given, if it is built as the sample is and its numbers are within their ranges."""
    if isinstance(sample, dict):
        if not isinstance(given, dict) or given.keys() != sample.keys():
            raise ValueError(f"{name}: expected {', '.join(sample)}, got {given!r:.80}")
        return {key: _checked(key, given[key], sample[key]) for key in sample}
    if isinstance(sample, np.ndarray):
        if not isinstance(given, list) or len(given) != sample.size:
            raise ValueError(f"{name}: expected a list of {sample.size} numbers")
        most = int(np.iinfo(sample.dtype).max)
        numbers = [_validate.integer(name, n, minimum=0, maximum=most) for n in given]
        return np.array(numbers, sample.dtype)
    if isinstance(sample, str):
        return _validate.one_of(name, given, [sample])
    return _validate.integer(name, given, minimum=0, maximum=_MOST[name])
