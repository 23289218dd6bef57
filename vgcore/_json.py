"""What JSON can hold: it knows no NaN, no infinity, no tuples and no numbers of NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def strict(data: Any) -> Any:
    """The same for ``json.dumps(..., allow_nan=False)``: None in the place of NaN and infinity."""
    if isinstance(data, Mapping):
        return {name: strict(each) for name, each in data.items()}
    if isinstance(data, list | tuple):
        return [strict(each) for each in data]
    value = data.item() if isinstance(data, np.generic) else data
    return None if isinstance(value, float) and not math.isfinite(value) else value
