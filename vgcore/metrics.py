"""What is said of outputs beside their loss: by name in `Sequential.compile` and `Sequential.evaluate`.

========================  =====================================================================
accuracy                  share of outputs that are right: the class of the largest one, or of one
                          output the side of 1/2; of hinge and multilabel_crossentropy, of each label
top_1, top_2, ...         share of samples whose class is among so many largest outputs
mae                       mean of abs(h - y)
r2                        1 - sum (h - y)^2 / sum (y - mean y)^2, averaged over the outputs, as in
                          scikit-learn's r2_score
confusion_matrix          how many samples of class i (row) were taken for class j (column)
========================  =====================================================================

Padding, labels that are ignored, and samples of weight 0 have no part; other weights make no difference.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _answers, _validate
from vgcore.losses import Loss

__all__ = [
    "R2",
    "Accuracy",
    "ConfusionMatrix",
    "MeanAbsoluteError",
    "Metric",
    "TopK",
    "get",
]

Array = NDArray[Any]


class Metric(ABC):
    """Base of all metrics: a total over samples, and a value made of it.

    Samples are rows: outputs (m, units), and targets (m, units) or labels (m,).
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it goes by in `History`."""

    @abstractmethod
    def check(self, loss: Loss, units: int) -> None:
        """ValueError if there is none of so many outputs and their loss."""

    @abstractmethod
    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """What `value` needs of these samples."""

    def joined(self, first: Array, second: Array) -> Array:
        """The total of two sets of samples."""
        return first + second

    @abstractmethod
    def value(self, total: Array) -> Any:
        """The metric: a float, or an array."""


def _check_classes(name: str, loss: Loss) -> None:
    if loss.judged is None:
        raise ValueError(f"metrics: expected no {name}, for outputs of {loss.name} are not classes")


def _check_numbers(name: str, loss: Loss) -> None:
    if loss.sparse:
        raise ValueError(f"metrics: expected no {name}, for targets of {loss.name} are labels")


def _check_one_class(name: str, loss: Loss, units: int) -> None:
    _check_classes(name, loss)
    if loss.judged == "label" and units > 1:
        raise ValueError(f"metrics: expected no {name}, for each output of {loss.name} is a label")


def by_side(loss: Loss, units: int) -> bool:
    """Whether each output is right or wrong by itself, and not their largest."""
    return loss.judged == "label" or (units == 1 and not loss.categorical)


def _yes(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Whether outputs, and targets, say yes."""
    return outputs > loss.middle, targets > (0 if loss.signed else 0.5)


def _classes(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """The classes of outputs and of targets."""
    if by_side(loss, outputs.shape[1]):
        told, true = _yes(loss, outputs[:, 0], targets[:, 0])
        return told.astype(np.int64), true.astype(np.int64)
    return outputs.argmax(axis=1), targets if loss.sparse else targets.argmax(axis=1)


@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of outputs that are right."""

    name = "accuracy"

    def check(self, loss: Loss, units: int) -> None:
        """ValueError where outputs are numbers."""
        _check_classes(self.name, loss)

    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """How many are right, and how many there are."""
        known: Array = ~np.isnan(outputs)
        if by_side(loss, outputs.shape[1]):
            told, true = _yes(loss, outputs, targets)
        else:
            known = np.asarray(known.all(axis=1))
            told, true = _classes(loss, outputs, targets)
        right = known & (told == true)
        return np.array([right.sum(), right.size])

    def value(self, total: Array) -> float:
        """The share."""
        return _share(*total)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


@dataclass(frozen=True)
class TopK(Metric):
    """Share of samples whose class is among the ``k`` largest outputs; of equal ones, those in front."""

    k: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _validate.integer("k", self.k, minimum=1))

    @property
    def name(self) -> str:
        """top_5, ..."""
        return f"top_{self.k}"

    def check(self, loss: Loss, units: int) -> None:
        """ValueError where there are not more classes."""
        _check_one_class(self.name, loss, units)
        if units <= self.k:
            raise ValueError(
                f"metrics: expected top_k with k below {units}, the outputs; got {self.k}"
            )

    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """How many are among them, and how many there are."""
        largest = np.argsort(-outputs, axis=1, kind="stable")[:, : self.k]
        _, true = _classes(loss, outputs, targets)
        return np.array([(largest == true[:, np.newaxis]).sum(), len(outputs)])

    def value(self, total: Array) -> float:
        """The share."""
        return _share(*total)


@dataclass(frozen=True)
class MeanAbsoluteError(Metric):
    """Mean of abs(h - y)."""

    name = "mae"

    def check(self, loss: Loss, units: int) -> None:
        """ValueError where targets are labels."""
        _check_numbers(self.name, loss)

    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """Sum of the errors' sizes, and how many there are."""
        return np.array([np.abs(outputs - targets.astype(np.float64)).sum(), outputs.size])

    def value(self, total: Array) -> float:
        """The mean."""
        return _share(*total)


@dataclass(frozen=True)
class R2(Metric):
    """Coefficient of determination, averaged over the outputs.

    Of an output whose targets are all equal it is 1 if all errors are 0, else 0.
    """

    name = "r2"

    def check(self, loss: Loss, units: int) -> None:
        """ValueError where targets are labels."""
        _check_numbers(self.name, loss)

    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """Of each output: count, mean and squared deviations of the targets, squared errors."""
        y = targets.astype(np.float64)
        mean = y.mean(axis=0) if len(y) else np.zeros(y.shape[1])
        return np.stack(
            [
                np.full(y.shape[1], float(len(y))),
                mean,
                ((y - mean) ** 2).sum(axis=0),
                ((outputs - y) ** 2).sum(axis=0),
            ]
        )

    def joined(self, first: Array, second: Array) -> Array:
        """Means and deviations of both (Chan, Golub and LeVeque 1979)."""
        count = first[0] + second[0]
        share = second[0] / np.maximum(count, 1)
        apart = second[1] - first[1]
        deviations = first[2] + second[2] + apart**2 * first[0] * share
        return np.stack([count, first[1] + apart * share, deviations, first[3] + second[3]])

    def value(self, total: Array) -> float:
        """The mean over outputs."""
        count, _, deviations, errors = total
        if count[0] < 2:
            return float("nan")
        constant = deviations == 0
        ratio = np.where(constant, errors != 0, errors / np.where(constant, 1, deviations))
        return float((1 - ratio).mean())


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """How many samples of class i were taken for class j: an array (classes, classes)."""

    name = "confusion_matrix"

    def check(self, loss: Loss, units: int) -> None:
        """ValueError where a sample is not of one class."""
        _check_one_class(self.name, loss, units)

    def total(self, loss: Loss, outputs: Array, targets: Array) -> Array:
        """The matrix."""
        told, true = _classes(loss, outputs, targets)
        classes = 2 if by_side(loss, outputs.shape[1]) else outputs.shape[1]
        return np.bincount(true * classes + told, minlength=classes**2).reshape(classes, classes)

    def value(self, total: Array) -> Array:
        """The matrix."""
        return total


_TAKEN = ("epoch", "loss", "learning_rate", "seconds", "gradient_norm")
_NAMED = {
    "accuracy": Accuracy(),
    "mae": MeanAbsoluteError(),
    "mean_absolute_error": MeanAbsoluteError(),
    "r2": R2(),
    "confusion_matrix": ConfusionMatrix(),
}


def get(spec: str | Metric) -> Metric:
    """The metric of a name."""
    if isinstance(spec, Metric):
        return spec
    if isinstance(spec, str) and re.fullmatch(r"top_[1-9]\d{0,5}", spec):
        return TopK(int(spec[4:]))
    return _NAMED[_validate.one_of("metrics", spec, [*_NAMED, "top_5"])]


def spec(metric: Metric) -> str:
    """The name that `get` makes an equal one of; ValueError if there is none."""
    if metric != _NAMED.get(metric.name) and not isinstance(metric, TopK):
        raise ValueError(
            f"metrics: expected vgcore's own, to save or copy a model, got {metric.name} "
            f"({_validate.kind(metric)})"
        )
    return metric.name


def get_all(given: Iterable[str | Metric], loss: Loss, units: int) -> tuple[Metric, ...]:
    """The metrics of some names, which must suit outputs and loss."""
    if isinstance(given, str | Metric):
        raise TypeError(f"metrics: expected a sequence of names, got {given!r}")
    chosen = tuple(get(each) for each in _validate.items("metrics", given, "a sequence of names"))
    names = [each.name for each in chosen]
    for each in chosen:
        each.check(loss, units)
        if each.name in _TAKEN or each.name.startswith("val_"):
            raise ValueError(f"metrics: expected a name that logs do not have, got {each.name!r}")
        if names.count(each.name) > 1:
            raise ValueError(f"metrics: expected each once, got {each.name} twice")
    return chosen


class Totals:
    """Metrics over samples that come in parts."""

    def __init__(self, metrics: Iterable[Metric], loss: Loss) -> None:
        self.loss, self.metrics = loss, tuple(metrics)
        self._totals: list[Array | None] = [None] * len(self.metrics)

    def add(self, outputs: Array, targets: Array) -> None:
        """Some more samples."""
        for i, metric in enumerate(self.metrics):
            more, before = metric.total(self.loss, outputs, targets), self._totals[i]
            self._totals[i] = more if before is None else metric.joined(before, more)

    def values(self) -> dict[str, Any]:
        """The metrics by name."""
        return {
            metric.name: metric.value(total)
            for metric, total in zip(self.metrics, self._totals, strict=True)
            if total is not None
        }


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
