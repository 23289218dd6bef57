"""What is done to data before a network is fed with them; each step knows how, and how to write it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]
Data = tuple[Any, Any, Any]
"""x, y and lengths; y and lengths may be None."""

_MOST_LISTED = 10  # classes in a message

BOUND = 10.0
"""Scaled inputs are cut there: features that hardly ever differ from 0 would be larger than all others."""


@dataclass(frozen=True)
class Step:
    """One step. What it takes from data, such as a mean, is that of those it was fitted to."""

    def fitted(self, x: Array, y: Array, lengths: Array | None) -> Self:
        """The same step, fitted to data."""
        return self

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """The data, prepared."""
        raise NotImplementedError

    def restored(self, outputs: Array) -> Array:
        """A network's outputs in the units that targets had before this step."""
        return outputs

    def lines(self) -> list[str]:
        """The same in NumPy, of arrays that are called x, y and lengths."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ScaleInputs(Step):
    """Give each feature (of images each channel, of sequences over all valid timesteps) mean 0 and standard
    deviation 1, within ±10; a constant one becomes 0.

    LeCun et al. 1998, "Efficient BackProp", section 4.3.
    """

    mean: Array | float = 0.0
    std: Array | float = 1.0
    axes: tuple[int, ...] = (0,)
    masked: bool = False

    def fitted(self, x: Array, y: Array, lengths: Array | None) -> ScaleInputs:
        """With the means and deviations of x."""
        axes: tuple[int, ...] = (0, 2, 3) if x.ndim == 4 else tuple(range(x.ndim - 1))
        masked = lengths is not None and x.ndim == 3
        values = np.asarray(x, np.float64)
        over = axes
        if masked:
            values, over = values[_valid(x, lengths)], (0,)
        mean, std = (f(values, axis=over, keepdims=not masked) for f in (np.mean, np.std))
        return ScaleInputs(mean, np.where(std > 0, std, 1.0), axes, masked)

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """Scaled inputs, in float32 but where x is float64."""
        scaled = np.clip((x - self.mean) / self.std, -BOUND, BOUND)
        return scaled if x.dtype == np.float64 else scaled.astype(np.float32), y, lengths

    def lines(self) -> list[str]:
        """Means and deviations are those of x."""
        if self.masked:
            first = [
                "valid = x[np.arange(x.shape[1]) < lengths[:, np.newaxis]]",
                "mean, std = valid.mean(axis=0), valid.std(axis=0)",
            ]
        else:
            axes = repr(self.axes) if len(self.axes) > 1 else "0"
            keep = ", keepdims=True" if len(self.axes) > 2 else ""
            first = [f"mean, std = x.mean(axis={axes}{keep}), x.std(axis={axes}{keep})"]
        return [
            *first,
            "std = np.where(std > 0, std, 1)",
            f"x = np.clip((x - mean) / std, -{BOUND:g}, {BOUND:g})",
        ]


@dataclass(frozen=True, eq=False)
class ScaleTargets(Step):
    """Give each column of the targets mean 0 and standard deviation 1."""

    mean: Array | float = 0.0
    std: Array | float = 1.0
    axes: tuple[int, ...] = (0,)

    def fitted(self, x: Array, y: Array, lengths: Array | None) -> ScaleTargets:
        """With the means and deviations of y."""
        axes = tuple(range(max(y.ndim - 1, 1)))
        std = y.std(axis=axes)
        return ScaleTargets(y.mean(axis=axes), np.where(std > 0, std, 1.0), axes)

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """Y scaled."""
        return x, None if y is None else (y - self.mean) / self.std, lengths

    def restored(self, outputs: Array) -> Array:
        """Outputs in y's units."""
        return outputs * self.std + self.mean

    def lines(self) -> list[str]:
        """Means and deviations are those of y."""
        axes = repr(self.axes) if len(self.axes) > 1 else "0"
        return [
            f"y_mean, y_std = y.mean(axis={axes}), y.std(axis={axes})",
            "y = (y - y_mean) / y_std  # predictions are h * y_std + y_mean",
        ]


@dataclass(frozen=True, eq=False)
class Labels(Step):
    """Number the classes from 0, whatever they were called: 1 to 10, -1 and 1, or numbers in a column."""

    classes: Array | None = None

    def fitted(self, x: Array, y: Array, lengths: Array | None) -> Labels:
        """With the classes of y."""
        return Labels(np.unique(y))

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """Y as labels; (n, 1) becomes (n,). ValueError if there is a class to which it was not fitted."""
        if y is None:
            return x, y, lengths
        assert self.classes is not None
        labels = np.searchsorted(self.classes, y).clip(0, len(self.classes) - 1)
        others = y[self.classes[labels] != y]
        if others.size:
            raise ValueError(
                f"y: expected the classes {_listed(self.classes)}, for which it was made, got "
                f"{_listed(np.unique(others))}"
            )
        return x, labels.ravel() if labels.size == len(labels) else labels, lengths

    def lines(self) -> list[str]:
        """Classes are those of y."""
        return [
            "classes = np.unique(y)",
            "y = np.searchsorted(classes, y).squeeze()  # label i is of classes[i]",
        ]


@dataclass(frozen=True)
class FindLengths(Step):
    """Take timesteps of zeros at the end for padding."""

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """Lengths up to the last timestep that is not 0; all of a sequence of zeros."""
        return x, y, lengths_of(x) if lengths is None else lengths

    def lines(self) -> list[str]:
        """Of x (n, time) or (n, time, features)."""
        return [
            "there = (x != 0).reshape(*x.shape[:2], -1).any(axis=2)",
            "lengths = x.shape[1] - there[:, ::-1].argmax(axis=1)",
        ]


@dataclass(frozen=True)
class AsSequence(Step):
    """Make sequences of one timestep with many features those of many timesteps with one."""

    def apply(self, x: Array, y: Array | None, lengths: Array | None) -> Data:
        """X with its last two axes swapped."""
        return np.swapaxes(x, 1, 2), y, None

    def lines(self) -> list[str]:
        """The same."""
        return ["x = x.transpose(0, 2, 1)"]


def lengths_of(x: Array) -> Array:
    """Timesteps up to the last that is not 0."""
    there = (x != 0).reshape(*x.shape[:2], -1).any(axis=2)
    return np.asarray(x.shape[1] - there[:, ::-1].argmax(axis=1))


def _valid(x: Array, lengths: Array | None) -> Array:
    assert lengths is not None
    return np.arange(x.shape[1]) < np.asarray(lengths)[:, np.newaxis]


def _listed(classes: Array) -> str:
    """Some classes in words."""
    shown = ", ".join(f"{each:g}" for each in classes[:_MOST_LISTED])
    more = len(classes) - _MOST_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown
