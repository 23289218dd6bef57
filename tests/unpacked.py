"""Frames of live pages, compared with what a browser read."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(tree: Any) -> Any:
    """A tree whose arrays are lists of numbers, as a browser's are."""
    if isinstance(tree, np.ndarray):
        return [float(each) for each in tree.ravel()]
    if isinstance(tree, dict):
        return {name: plain(each) for name, each in tree.items()}
    return [plain(each) for each in tree] if isinstance(tree, list) else tree
