"""How well outputs do, whatever the loss: accuracy of classes, else how much of the targets is explained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.targets import Kind, as_labels, classes_of, kind_of
from vgcore.losses import Loss

Array = NDArray[np.floating]


ROOM = 0.02
"""What a network must score above chance at least for it to count as something."""

MOSTLY = 2 / 3
"""Share of the samples from which on a class is most of them, and accuracy says little."""


def luck(chance: float, rows: int) -> float:
    """What a score may be above chance by luck: an accuracy of so many rows held out by two standard errors
    of chance's, other scores (of 0 rows) by 0.02.
    """
    return max(ROOM, 2 * math.sqrt(chance * (1 - chance) / rows)) if rows else ROOM


@dataclass(frozen=True)
class Measure:
    """What outputs are scored by.

    Attributes
    ----------
    kind : str
        Of the targets, in `vgcore.diagnosis.targets`.
    nearest : bool
        Whether they are whole numbers that stand for classes.
    """

    kind: Kind
    nearest: bool = False

    @classmethod
    def of(cls, y: Array, *, sparse: bool, as_classes: bool) -> Measure:
        """Of targets; ``as_classes``: whole numbers in one column are classes to the network."""
        kind = kind_of(y, sparse=sparse)
        return cls(kind, as_classes and kind == "numbers" and as_labels(y) is not None)

    @property
    def counts_classes(self) -> bool:
        """Whether scores are accuracies."""
        return self.nearest or self.kind != "numbers"

    def score(self, outputs: Array, y: Array, middle: float = 0.5) -> float:
        """How well outputs do; ``middle`` is what they lie above where they say yes."""
        if self.nearest:
            return of_nearest(outputs, y)
        return score(outputs, y, self.kind, middle)

    def chance(self, y: Array) -> float:
        """The score of the best constant answer."""
        return of_chance(y.astype(int), "labels") if self.nearest else of_chance(y, self.kind)

    def words(self, y: Array) -> str:
        """What the score is."""
        if not self.counts_classes:
            return "R2"
        classes = y.ravel() if self.nearest else classes_of(y, self.kind)
        unbalanced = classes is not None and is_unbalanced(classes)
        return "accuracy, as a mean over the classes," if unbalanced else "accuracy"


def score(outputs: Array, y: Array, kind: Kind, middle: float = 0.5) -> float:
    """Accuracy, or of numbers 1 - mean squared error over variance, both summed over the columns: what is
    called R2, variance-weighted, in scikit-learn.

    Where one class is most of the samples it is the mean over the classes of the share that is found. Of
    several labels it is the mean of what each has.

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
        return _accuracy(flat.argmax(axis=1)[labels >= 0], labels[labels >= 0])
    targets = y.reshape(flat.shape).astype(float)
    if kind in ("one_hot", "probabilities"):
        return _accuracy(flat.argmax(axis=1), targets.argmax(axis=1))
    if kind == "binary":
        return _accuracy(flat[:, 0] > middle, targets[:, 0] > 0.5)
    if kind == "multilabel":
        columns = zip((flat > middle).T, (targets > 0.5).T, strict=True)
        return float(np.mean([_accuracy(*column) for column in columns]))
    variance = targets.var(axis=0).sum()
    with np.errstate(over="ignore"):
        missed = ((flat - targets) ** 2).mean(axis=0).sum()
    return float(1 - missed / variance) if variance > 0 else float("nan")


def of_nearest(outputs: Array, y: Array) -> float:
    """Accuracy of outputs that stand for classes that are whole numbers: of the nearest of these."""
    classes = np.unique(y)
    found = classes[np.abs(outputs.reshape(-1, 1) - classes).argmin(axis=1)]
    return _accuracy(found, y.ravel()) if np.isfinite(outputs).all() else float("nan")


def _accuracy(answers: NDArray[Any], classes: NDArray[Any]) -> float:
    """Share of the samples that are right or, where one class is most of them, its mean over the classes."""
    right = answers == classes
    if not is_unbalanced(classes):
        return float(right.mean())
    return float(np.mean([right[classes == each].mean() for each in np.unique(classes)]))


def is_unbalanced(classes: NDArray[Any]) -> bool:
    """Whether one class is most of the samples, and not all."""
    counts = np.unique(classes, return_counts=True)[1]
    return bool(len(counts) > 1 and counts.max() > MOSTLY * counts.sum())


def of_chance(y: Array, kind: Kind) -> float:
    """The score of the best constant answer."""
    rows = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
    classes = classes_of(y, kind)
    if classes is not None:
        return _most_frequent(classes)
    if kind == "multilabel":
        return float(np.mean([_most_frequent(column) for column in rows.T]))
    return 0.0


def _most_frequent(classes: NDArray[Any]) -> float:
    """What always answering the most frequent class scores."""
    counts = np.unique(classes, return_counts=True)[1]
    return 1 / len(counts) if is_unbalanced(classes) else float(counts.max() / counts.sum())


def chance_loss(loss: Loss, y: Array, kind: Kind) -> float | None:
    """The loss of equal odds on all classes, or of the best constant number; None where it is not known."""
    rows = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1).astype(float)
    if loss.label_smoothing or loss.function is not None:
        return None
    if loss.name == "sparse_categorical_crossentropy":
        return math.log(max(int(y.max()) + 1, 2))
    if loss.name == "categorical_crossentropy":
        return math.log(rows.shape[1])
    if loss.name in ("binary_crossentropy", "multilabel_crossentropy"):
        each = np.full(rows.shape[1], math.log(2))
    elif loss.name == "mse":
        each = rows.var(axis=0)
    elif loss.name == "mae":
        each = np.abs(rows - np.median(rows, axis=0)).mean(axis=0)
    else:
        return None
    return float(each.mean() if loss.mean_over_outputs else each.sum())
