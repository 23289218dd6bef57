"""What targets are: labels, classes in columns, several labels, or numbers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["labels", "one_hot", "binary", "multilabel", "probabilities", "numbers", "own"]
"""What targets are; see `kind_of`."""

_MOST_CLASSES = 200  # that numbers of one column are taken for


def kind_of(y: Array, *, sparse: bool = False) -> Kind:
    """What targets are, by their values and by what the loss takes them for.

    Parameters
    ----------
    y : ndarray, (n,), (n, outputs) or (n, time, outputs)
    sparse : bool
        Whether the loss takes integer labels.

    Returns
    -------
    {"labels", "one_hot", "binary", "multilabel", "probabilities", "numbers"}
        Integer labels; rows of zeros with one 1; one column of 0 and 1; several such columns that are no
        one-hot rows; rows of at least two shares of 1; or anything else.
    """
    if sparse:
        return "labels"
    values = y.reshape(len(y), -1) if y.ndim < 3 else y.reshape(-1, y.shape[-1])
    columns = values.shape[1]
    if np.isin(values, (0, 1)).all():
        if columns == 1:
            return "binary"
        return "one_hot" if (values.sum(axis=1) == 1).all() else "multilabel"
    if columns > 1 and values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-4):
        return "probabilities"
    return "numbers"


def as_rows(values: Array, lengths: Array | None = None) -> Array:
    """Targets, or outputs, of all timesteps or all places of images as rows; ``lengths`` of those at every
    timestep leave out padding.
    """
    if lengths is not None:
        return np.asarray(values[np.arange(values.shape[1]) < np.asarray(lengths)[:, np.newaxis]])
    if values.ndim == 4:
        values = np.moveaxis(values, 1, -1)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


def as_labels(y: Array) -> Array | None:
    """The classes of one column of whole numbers, few of which differ, each several times; None of others."""
    flat = y.ravel()
    if y.size != len(y) or not np.array_equal(flat, np.round(flat)):
        return None
    values, counts = np.unique(flat, return_counts=True)
    few = 2 <= len(values) <= min(_MOST_CLASSES, len(flat) // 4)
    consecutive = values[-1] - values[0] < 2 * len(values) if len(values) else False
    return flat.astype(int) if few and consecutive and np.median(counts) >= 2 else None


def classes_of(y: Array, kind: Kind) -> Array | None:
    """The class of each target, flat; None of numbers and of several labels."""
    if kind == "labels":
        return y.ravel()[y.ravel() >= 0].astype(int)
    if kind in ("one_hot", "probabilities"):
        return np.asarray(y.reshape(-1, y.shape[-1]).argmax(axis=1))
    if kind == "binary":
        return y.ravel().astype(int)
    return None
