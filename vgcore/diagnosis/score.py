"""How well outputs do, whatever the loss: accuracy of classes, else how much of the targets is explained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.targets import Kind, as_labels, kind_of
from vgcore.losses import Loss

Array = NDArray[np.floating]


ROOM = 0.02
"""What a network must score above chance at least for it to count as something."""

MOSTLY = 2 / 3
"""Share of the samples from which on a class is most of them, and accuracy says little."""

_GAIN = 0.9  # of what there is above chance, that luck is at most


def predicted(outputs: Array, loss: Loss) -> Array:
    """What outputs say of the targets: of a Poisson rate's logarithm the rate."""
    return np.exp(outputs) if loss.name == "poisson" and loss.output == "identity" else outputs


def is_unbalanced(classes: NDArray[Any]) -> bool:
    """Whether one class is most of the samples, and not all."""
    counts = np.unique(classes, return_counts=True)[1]
    return bool(len(counts) > 1 and counts.max() > MOSTLY * counts.sum())


class Measure:
    """What outputs are scored by; settled by all targets, so that it is the same for those trained with and
    those held out.

    Accuracy; where one class is most of the samples it is the mean over the classes of the share that is
    found, and of several labels the mean of what each has. Of numbers 1 - mean squared error over variance,
    both summed over the columns: what is called R2, variance-weighted, in scikit-learn.

    Parameters
    ----------
    y : ndarray, (n,) or (n, outputs)
        All targets that count; of labels those below 0 do not.
    sparse : bool
        Whether they are integer labels.
    as_classes : bool
        Whether whole numbers in one column are classes to the network.
    """

    def __init__(self, y: Array, *, sparse: bool = False, as_classes: bool = False) -> None:
        self._kind: Kind = kind_of(y, sparse=sparse)
        self._nearest = as_classes and self._kind == "numbers" and as_labels(y) is not None
        self.counts_classes = self._nearest or self._kind != "numbers"
        truths = self._truths(y)
        self._classes = [np.unique(each) for each in truths]
        self._unbalanced = [is_unbalanced(each) for each in truths]
        self.chance = float(np.mean([*map(_most_frequent, truths)])) if truths else 0.0

    @property
    def words(self) -> str:
        """What the score is."""
        if not self.counts_classes:
            return "R2"
        mean = any(self._unbalanced)
        return "accuracy, as a mean over the classes," if mean else "accuracy"

    def score(self, outputs: Array, y: Array, middle: float = 0.5) -> float:
        """How well outputs do; NaN where they are not finite.

        ``middle`` is what outputs lie above where they say yes.
        """
        flat = outputs.reshape(-1, outputs.shape[-1]).astype(float)
        if not np.isfinite(flat).all():
            return math.nan
        if not self.counts_classes:
            return _explained(flat, y.reshape(flat.shape).astype(float))
        pairs = zip(self._answers(flat, middle), self._labelled(y), strict=True)
        return float(np.mean([self._found(*pair, place) for place, pair in enumerate(pairs)]))

    def luck(self, y: Array) -> float:
        """What a score of targets held out may be above chance by luck: of an accuracy two standard errors
        of chance's, but no more than nearly all that there is to gain; of others 0.02.
        """
        if not self.counts_classes:
            return ROOM
        squares = []
        for place, truth in enumerate(self._truths(y)):
            counts = np.array([(truth == each).sum() for each in self._classes[place]])
            parts = counts[counts > 0] if self._unbalanced[place] else np.array([len(truth)])
            squares.append(float((1 / np.maximum(parts, 1)).sum()) / len(parts) ** 2)
        error = math.sqrt(self.chance * (1 - self.chance) * float(np.mean(squares)))
        return max(min(2 * error, _GAIN * (1 - self.chance)), ROOM)

    def _truths(self, y: Array) -> list[NDArray[Any]]:
        """The classes of targets that count, for each question: one, or as many as there are labels."""
        if not self.counts_classes:
            return []
        return [each[each >= 0] if self._kind == "labels" else each for each in self._labelled(y)]

    def _labelled(self, y: Array) -> list[NDArray[Any]]:
        if self._nearest or self._kind in ("labels", "binary"):
            return [y.ravel()]
        if self._kind == "multilabel":
            return [*(y > 0.5).T]
        return [y.argmax(axis=-1)]

    def _answers(self, flat: Array, middle: float) -> list[NDArray[Any]]:
        if self._nearest:
            return [self._classes[0][np.abs(flat - self._classes[0]).argmin(axis=1)]]
        if self._kind in ("binary", "multilabel"):
            return [*(flat > middle).T]
        return [flat.argmax(axis=1)]

    def _found(self, answers: NDArray[Any], truth: NDArray[Any], place: int) -> float:
        """Share of the samples that are right, or its mean over the classes that there are."""
        right = answers == truth
        if not self._unbalanced[place]:
            return float((right[truth >= 0] if self._kind == "labels" else right).mean())
        parts = [right[truth == each] for each in self._classes[place]]
        return float(np.mean([part.mean() for part in parts if len(part)]))


def _most_frequent(classes: NDArray[Any]) -> float:
    """What always answering the most frequent class scores."""
    counts = np.unique(classes, return_counts=True)[1]
    return 1 / len(counts) if is_unbalanced(classes) else float(counts.max() / counts.sum())


def _explained(outputs: Array, y: Array) -> float:
    """R2; of targets that do not vary 1 if they are met and else 0."""
    variance = y.var(axis=0).sum()
    with np.errstate(over="ignore"):
        missed = ((outputs - y) ** 2).mean(axis=0).sum()
    if not variance > 0:
        return float(missed == 0)
    return float(1 - missed / variance)


def chance_loss(loss: Loss, y: Array) -> float | None:
    """The loss of equal odds on all classes, or of the best constant number; None where it is not known."""
    if loss.label_smoothing or loss.function is not None:
        return None
    rows = y.reshape(-1, y.shape[-1] if y.ndim > 1 else 1).astype(float)
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
