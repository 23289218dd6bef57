"""What `fit` returns and what it tells its callback."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _html
from vgcore._frames import Index, dataframe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


class _LossAccuracy(NamedTuple):
    loss: float
    accuracy: float


class Evaluation(_LossAccuracy):
    """Result of `Sequential.evaluate`; unpacks to loss and accuracy.

    Attributes
    ----------
    loss : float
        Mean loss of the samples.
    accuracy : float
        Share of samples whose class is right; NaN where the loss is not one of classes. For
        binary_crossentropy: the largest output where there are several, the side of 1/2 where there
        is one.
    metrics : dict
        Those that were asked for, by name; with classes, accuracy, too. ``result["top_5"]`` is one of them.
    """

    metrics: dict[str, Any]

    def __new__(
        cls, loss: float, accuracy: float, metrics: Mapping[str, Any] | None = None
    ) -> Evaluation:
        """Make the pair, and note what else was measured."""
        evaluation = super().__new__(cls, loss, accuracy)
        evaluation.metrics = {} if metrics is None else dict(metrics)
        return evaluation

    @classmethod
    def of(cls, loss: float, metrics: Mapping[str, Any]) -> Evaluation:
        """Make it of the loss and of metrics, which may hold the accuracy."""
        return cls(loss, metrics.get("accuracy", math.nan), metrics)

    def __getitem__(self, key: Any) -> Any:
        """The loss or a metric by name; by number, the pair's."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        try:
            return {"loss": self.loss, **self.metrics}[key]
        except KeyError:
            raise KeyError(f"{key}: expected one of {', '.join(['loss', *self.metrics])}") from None

    def _replace(self, **changes: Any) -> Evaluation:
        """The same with other values of some of the three."""
        return Evaluation(**{**self._asdict(), "metrics": self.metrics, **changes})

    __replace__ = _replace  # of copy.replace

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Copy and pickle all of it."""
        return (*self, self.metrics)

    def __repr__(self) -> str:
        """The loss and all metrics."""
        values = {"loss": self.loss, **self.metrics}
        return f"Evaluation({', '.join(f'{name}={value!r}' for name, value in values.items())})"


class Progress(NamedTuple):
    """Where a running `fit` stands; given to `Callback.on_progress` about every 50 ms and after each epoch.

    Attributes
    ----------
    epoch, epochs : int
        Epochs finished, and in all; those before ``initial_epoch`` are counted.
    step : int
        Steps done in this call.
    steps : int or None
        Steps of the call; None where minibatches come from an iterable of unknown length.
    loss : float
        Loss of the last step.
    """

    epoch: int
    epochs: int
    step: int
    steps: int | None
    loss: float


def measured(values: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an epoch that tell something.

    All but the gradient's norm where it is NaN and the loss is not: no step of the epoch was recorded.
    """
    unrecorded = np.isnan(values.get("gradient_norm", 0.0)) and not np.isnan(
        values.get("loss", np.nan)
    )
    return {
        name: value
        for name, value in values.items()
        if not (unrecorded and name == "gradient_norm")
    }


def in_words(values: Mapping[str, Any]) -> str:
    """The numbers of an epoch in a line."""
    numbers = {k: v for k, v in measured(values).items() if isinstance(v, int | float)}
    return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())


class History(Mapping[str, list[Any]]):
    """The course of one `fit`: a mapping from names to a list with one entry per epoch.

    "loss" (of all samples, each as it was at its step); where outputs are classes "accuracy"; the metrics
    of `Sequential.compile`; with validation data the same as "val_loss", ...; "learning_rate" (of the
    epoch's last step); "seconds"; where gradients are tracked "gradient_norm" (of the last step that was;
    NaN where none of the epoch was). Of an epoch that was broken off, the loss and accuracy of the steps that
    were done, and NaN.

    Attributes
    ----------
    epoch : list of int
        Epochs finished or, the last one, broken off.
    history : dict of str to list
        The same as the mapping itself.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        """The entries of a name; KeyError that lists the names there are."""
        try:
            return self.history[name]
        except KeyError:
            if not self.history:
                raise KeyError(f"{name}: no epoch was run, so there is nothing to read") from None
            raise KeyError(f"{name}: expected one of {', '.join(self.history)}") from None

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.history)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self.history)

    def __contains__(self, name: object) -> bool:
        """Whether there are entries of a name."""
        return name in self.history

    def _ipython_key_completions_(self) -> list[str]:
        """What Tab offers behind a bracket."""
        return list(self)

    def __repr__(self) -> str:
        """How many epochs there are, and what was measured in the last one."""
        last = in_words({name: values[-1] for name, values in self.items() if values})
        return f"<{self._title()}{': ' if last else ''}{last}>"

    def _title(self) -> str:
        return f"History of {len(self.epoch)} epoch{'' if len(self.epoch) == 1 else 's'}"

    def _repr_html_(self) -> str:
        """Show the numbers of each epoch in a notebook."""
        names = [
            name for name, values in self.items() if all(np.ndim(each) == 0 for each in values)
        ]
        told = [
            measured({name: self[name][row] for name in names}) for row in range(len(self.epoch))
        ]
        rows = [
            (epoch, *(values.get(name, "") for name in names))
            for epoch, values in zip(self.epoch, told, strict=True)
        ]
        return _html.table(self._title(), ["epoch", *names], rows)

    def append(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Add the values of one more epoch; NaN stands for what it has not, or those before had not."""
        before = len(self.epoch)
        self.epoch.append(epoch)
        for name in {**self.history, **values}:
            column = self.history.setdefault(name, [math.nan] * before)
            column.append(values.get(name, math.nan))

    def to_dataframe(self) -> DataFrame:
        """A pandas DataFrame with a row per epoch and a column per name.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        return dataframe(self.history, index=Index("epoch", self.epoch))

    def plot(self, name: str = "loss", *, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw an entry over the epochs, that of the validation data beside it; see `vgcore.plot.history`."""
        from vgcore import plot

        axes: Axes = plot.history(self, name, ax=ax, **options)
        return axes
