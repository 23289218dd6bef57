"""How well outputs do, whatever the loss: accuracy of classes, else how much of the targets is explained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.targets import Kind
from vgcore.losses import Loss

Array = NDArray[np.floating]


def score(outputs: Array, y: Array, kind: Kind, middle: float = 0.5) -> float:
    """Accuracy, or of numbers 1 - mean squared error over variance (column by column, then their mean).

    Parameters
    ----------
    outputs : ndarray, (n, ..., outputs)
    y : ndarray
        Targets of ``kind``.
    kind : str
        Of `vgcore.diagnosis.targets`.
    middle : float
        What outputs lie above where they say yes.
    """
    flat = outputs.reshape(-1, outputs.shape[-1]).astype(float)
    if not np.isfinite(flat).all():
        return float("nan")
    if kind == "labels":
        labels = y.ravel()
        return float((flat.argmax(axis=1) == labels)[labels >= 0].mean())
    targets = y.reshape(flat.shape).astype(float)
    if kind in ("one_hot", "probabilities"):
        return float((flat.argmax(axis=1) == targets.argmax(axis=1)).mean())
    if kind in ("binary", "multilabel"):
        return float(((flat > middle) == (targets > 0.5)).mean())
    variance = targets.var(axis=0)
    varies = variance > 0
    if not varies.any():
        return float("nan")
    with np.errstate(over="ignore"):
        missed = ((flat - targets) ** 2).mean(axis=0)
    return float(np.mean(1 - missed[varies] / variance[varies]))


def of_chance(y: Array, kind: Kind) -> float:
    """The score of the best constant answer."""
    if kind == "labels":
        labels = y[y >= 0].astype(int)
        return float(np.bincount(labels.ravel()).max() / labels.size)
    rows = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
    if kind in ("one_hot", "probabilities"):
        return float(np.bincount(rows.argmax(axis=1)).max() / len(rows))
    if kind in ("binary", "multilabel"):
        share = rows.mean(axis=0)
        return float(np.maximum(share, 1 - share).mean())
    return 0.0


def chance_loss(loss: Loss, y: Array, kind: Kind) -> float | None:
    """The loss of the best constant answer; None where it has no simple form."""
    rows = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1).astype(float)
    if loss.label_smoothing or loss.function is not None:
        return None
    if loss.name == "sparse_categorical_crossentropy":
        share = np.bincount(y[y >= 0].astype(int).ravel()) / max(int((y >= 0).sum()), 1)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())
    if loss.name == "categorical_crossentropy":
        share = rows.mean(axis=0)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())
    if loss.name in ("binary_crossentropy", "multilabel_crossentropy"):
        share = np.clip(rows.mean(axis=0), 1e-12, 1 - 1e-12)
        each = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    elif loss.name == "mse":
        each = rows.var(axis=0)
    elif loss.name == "mae":
        each = np.abs(rows - np.median(rows, axis=0)).mean(axis=0)
    else:
        return None
    return float(each.mean() if loss.mean_over_outputs else each.sum())
