"""Who is told how training goes, and may stop it.

A callback is a callable, which is called as ``callback(epoch, logs)`` after each epoch, or an object with
any of the hooks of `Callback`. A hook that returns True stops the training.

``logs`` is a dict: after an epoch "loss", where outputs are classes "accuracy", metrics, the same of the
validation data as "val_loss", ..., "learning_rate", "seconds" and, where gradients are tracked,
"gradient_norm"; at a step "epoch", "loss" and "learning_rate".
"""

from __future__ import annotations

import copy
import csv
import inspect
import math
import os
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _answers, _validate
from vgcore.model.history import Progress

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "OnProgress",
]

if TYPE_CHECKING:
    from vgcore.exchange.loggers.logger import Logger as Logger
    from vgcore.exchange.loggers.mlflow import MLflow as MLflow
    from vgcore.exchange.loggers.tensorboard import TensorBoard as TensorBoard
    from vgcore.exchange.loggers.wandb import Wandb as Wandb
    from vgcore.flow import GradientFlow
    from vgcore.model.sequential import Sequential

_LATER = {  # imported when they are asked for
    "Logger": "vgcore.exchange.loggers.logger:Logger",
    "MLflow": "vgcore.exchange.loggers.mlflow:MLflow",
    "TensorBoard": "vgcore.exchange.loggers.tensorboard:TensorBoard",
    "Wandb": "vgcore.exchange.loggers.wandb:Wandb",
}

Logs = Mapping[str, Any]

_HOOKS = {
    "on_train_begin": ("model",),
    "on_train_end": ("model",),
    "on_epoch_begin": ("epoch", "logs"),
    "on_epoch_end": ("epoch", "logs"),
    "on_step": ("step", "logs"),
    "on_progress": ("progress",),
}


class Callback(metaclass=_answers.Answering):
    """A callback that does nothing: base of those that override some hooks; the others are never called.

    Attributes
    ----------
    every_steps : int
        `on_step` is called after every so many steps; 0: never.
    """

    every_steps: int = 1

    def on_train_begin(self, model: Sequential) -> Any:
        """Before the first epoch."""

    def on_train_end(self, model: Sequential) -> Any:
        """After the last epoch, also where a callback has stopped the training."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> Any:
        """Before an epoch; ``logs`` are those of the epoch before."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> Any:
        """After an epoch; epochs count from 0."""

    def on_step(self, step: int, logs: Logs) -> Any:
        """After a step; steps count from 0 and `Sequential.compile` on, as in `GradientFlow.step`."""

    def on_progress(self, progress: Progress) -> Any:
        """About every 50 ms."""

    def _follow(self, flow: GradientFlow | None) -> None:
        """What a training that is about to begin tracks."""

    def _leave_training(self) -> None:
        """When a training that may have begun is over, whatever has ended it: let go of it."""

    def for_model(self, place: int) -> Callback:
        """What is told of the model at a place in the list of `vgcore.fit_many`: this, or one of its own.

        A callback that keeps something of one training returns a new one. To read what it has kept, give each
        model callbacks of its own, which are told themselves.
        """
        return self


class OnProgress(Callback):
    """Call a function with a `Progress` about every 50 ms and after each epoch."""

    def __init__(self, function: Callable[[Progress], Any]) -> None:
        if not callable(function):
            raise TypeError(f"function: expected a callable, got {_validate.kind(function)}")
        check_takes("function", function, _HOOKS["on_progress"], "a callable")
        self._function = function

    def on_progress(self, progress: Progress) -> Any:
        """Call the function."""
        return self._function(progress)


class Hooks:
    """The hooks of those that show a run, and of some callbacks, in order."""

    def __init__(self, callbacks: Iterable[Any], shown: Sequence[Callback] = ()) -> None:
        if callable(callbacks) or hasattr(callbacks, "on_epoch_end"):
            raise TypeError(f"callbacks: expected a sequence of callbacks, got {callbacks!r}")
        given = list(_validate.items("callbacks", callbacks, "a sequence of callbacks"))
        self._hooks: dict[str, list[Callable[..., Any]]] = {name: [] for name in _HOOKS}
        self._steps: list[tuple[int, Callable[..., Any]]] = []
        self._given = [each for each in given if isinstance(each, Callback)]
        for callback in shown:
            self._take("verbose", callback)
        for place, callback in enumerate(given):
            self._take(f"callbacks[{place}]", callback)

    def _take(self, argument: str, callback: Any) -> None:
        if isinstance(callback, type):
            raise TypeError(
                f"{argument}: expected an object, got the class {callback.__name__}; call it: "
                f"{callback.__name__}(...)"
            )
        others = [name for name in dir(callback) if name.startswith("on_") and name not in _HOOKS]
        if others:
            raise TypeError(
                f"{argument}: expected hooks of {', '.join(_HOOKS)}, got {others[0]}, which would never be "
                "called"
            )
        found = {name: getattr(callback, name) for name in _HOOKS if _has(callback, name)}
        if not found and not isinstance(callback, Callback):
            if not callable(callback):
                raise TypeError(
                    f"{argument}: expected a callable (epoch, logs) or an object with one of "
                    f"{', '.join(_HOOKS)}; got {_validate.kind(callback)}"
                )
            found = {"on_epoch_end": callback}
        for name, hook in found.items():
            whose = f"{argument}: {name}" if hook is not callback else argument
            check_takes(whose, hook, _HOOKS[name], "a callable")
        every = getattr(callback, "every_steps", 1)
        every = _validate.integer(f"{argument}.every_steps", every, minimum=0)
        if "on_step" in found and every:
            self._steps.append((every, found["on_step"]))
        for name, hook in found.items():
            self._hooks[name].append(hook)

    def call(self, name: str, *arguments: Any) -> bool:
        """Call all hooks of a name; whether one of them wants to stop."""
        return _any_true([hook(*arguments) for hook in self._hooks[name]])

    @contextmanager
    def held(self, flow: GradientFlow | None) -> Iterator[None]:
        """Tell callbacks what the training tracks; have them let go of it in the end, also where it is broken
        off.
        """
        with ExitStack() as leaving:
            for callback in self._given:
                leaving.callback(callback._leave_training)
                callback._follow(flow)
            yield

    def wants(self, name: str) -> bool:
        """Whether anybody has such a hook."""
        return bool(self._hooks[name])

    def steps_to_next(self, step: int) -> float:
        """How many steps there are, with ``step`` done, to the next that somebody wants to be told of."""
        return min((every - step % every for every, _ in self._steps), default=math.inf)

    def call_step(self, done: int, logs: Callable[[], Logs]) -> bool:
        """Call the hooks that are due with ``done`` steps done; whether one of them wants to stop."""
        due = [hook for every, hook in self._steps if done % every == 0]
        return _any_true([hook(done - 1, logs()) for hook in due])


def _has(callback: Any, name: str) -> bool:
    own = getattr(type(callback), name, None)
    return callable(getattr(callback, name, None)) and own is not getattr(Callback, name)


def _any_true(answers: Sequence[Any]) -> bool:
    return any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)


def check_takes(
    argument: str, function: Callable[..., Any], parameters: Sequence[str], expected: str
) -> None:
    """Raise if a function, which is ``expected``, cannot be called with what it will be called with."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of what is written in C, it may not be known
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        raise TypeError(
            f"{argument}: expected {expected} that takes ({', '.join(parameters)}), got {function!r} with "
            f"{signature}"
        ) from None


def monitored(logs: Logs, name: str) -> float:
    """An entry of the logs that must be there and be a number."""
    numbers = [
        key for key, each in logs.items() if isinstance(each, int | float) and key != "model"
    ]
    if name not in numbers and name.startswith("val_") and "val_loss" not in logs:
        raise ValueError(
            f"monitor: expected one of {', '.join(numbers)}; got {name!r}, and there are no validation data: "
            "give validation_data= or validation_split="
        )
    return float(logs[_validate.one_of("monitor", name, numbers)])


_RISING = ("accuracy", "r2", "top_")


class _Best:
    """The best value of an entry of the logs so far."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        self.monitor = _validate.name("monitor", monitor)
        _validate.one_of("mode", mode, ("auto", "min", "max"))
        self.min_delta = _validate.real("min_delta", min_delta, minimum=0)
        rises = mode == "max" or (
            mode == "auto" and monitor.removeprefix("val_").startswith(_RISING)
        )
        self.sign = -1.0 if rises else 1.0
        self.reset()

    def reset(self) -> None:
        """Forget it."""
        self.value = math.inf

    def improves(self, logs: Logs) -> bool:
        """Whether the entry is better than before by more than min_delta; NaN never is."""
        value = self.sign * monitored(logs, self.monitor)
        better = value < self.value - (self.min_delta if math.isfinite(self.value) else 0)
        if better:
            self.value = value
        return better


class EarlyStopping(Callback):
    """Stop training when an entry of the logs has not become better for some epochs.

    Parameters
    ----------
    monitor : str
    patience : int, >= 0
        Epochs without improvement that are waited for: it stops behind ``patience + 1`` of them.
    min_delta : float, >= 0
        By less than this nothing counts as better.
    restore_best : bool
        Go back to the parameters of the best epoch when training ends by itself or by a callback; the
        optimizer's state and the count of steps stay. Ctrl-C and exceptions leave all as it is.
    mode : {"auto", "min", "max"}
        What is better; "auto": for accuracy, top_k and r2 the larger, else the smaller.

    Attributes
    ----------
    best_epoch : int or None
    stopped_epoch : int or None
        The epoch after which it has stopped training.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        min_delta: float = 0.0,
        restore_best: bool = False,
        mode: str = "auto",
    ) -> None:
        self._best = _Best(monitor, mode, min_delta)
        self.patience = _validate.integer("patience", patience, minimum=0)
        self.restore_best = _validate.boolean("restore_best", restore_best)
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._state: dict[str, Any] | None = None
        self._model: Sequential | None = None

    @property
    def monitor(self) -> str:
        """The entry of the logs."""
        return self._best.monitor

    def on_train_begin(self, model: Sequential) -> None:
        """Begin anew."""
        self._best.reset()
        self._model, self._state, self._waited = model, None, 0
        self.best_epoch = self.stopped_epoch = None

    def for_model(self, place: int) -> EarlyStopping:
        """One of its own."""
        return copy.deepcopy(self)

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        """Whether it has been waited long enough."""
        if self._best.improves(logs):
            self.best_epoch, self._waited = epoch, 0
            if self.restore_best and self._model is not None:
                self._state = self._model.state_dict()
            return False
        self._waited += 1
        if self._waited <= self.patience:
            return False
        self.stopped_epoch = epoch
        return True

    def on_train_end(self, model: Sequential) -> None:
        """Go back to the best parameters, if that is wanted."""
        if self._state is not None:
            model.load_state_dict(self._state)
        self._model = self._state = None


class Checkpoint(Callback):
    """Save the model every so many epochs, or whenever an entry of the logs is better than before.

    A file is replaced as a whole or not at all; what it holds goes on with the same bits
    (``vg.load(path).fit(..., initial_epoch=...)``).

    Parameters
    ----------
    path : path-like
        May hold ``{epoch}`` and names of the logs, formatted as by `str.format`: "run-{epoch:03d}.npz".
        With `vgcore.fit_many`, ``{model}`` is the model's place in the list.
    best : bool or str
        Save only where this entry of the logs is better than in all epochs of this fit before; True:
        "val_loss". A resumed fit knows nothing of the best of the one before: give it another path.
    every : int, >= 1
        Epochs from one file to the next.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        best: bool | str = False,
        every: int = 1,
    ) -> None:
        self.path = _validate.path("path", path)
        self.every = _validate.integer("every", every, minimum=1)
        if not isinstance(best, bool | str):
            raise TypeError(
                f"best: expected True, False or the name of an entry of the logs, got {best!r}"
            )
        self.best = "val_loss" if best is True else best
        self._best = _Best(self.best, "auto") if self.best else None
        self._fields = _fields_of(self.path)
        self._model: Sequential | None = None

    def for_model(self, place: int) -> Checkpoint:
        """One of its own, with files of its own."""
        check_field_model("path", self.path)
        return copy.deepcopy(self)

    def on_train_begin(self, model: Sequential) -> None:
        """Begin anew; look whether there is somewhere to save to."""
        from vgcore.model import storage

        storage.describe(model.session)
        folder = os.path.dirname(self.path)
        if folder and "{" not in folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"path: expected an existing folder, got {folder!r}")
        self._model = model
        if self._best is not None:
            self._best.reset()

    def on_train_end(self, model: Sequential) -> None:
        """Let go of the model."""
        self._model = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save, if it is time."""
        if (epoch + 1) % self.every or (self._best is not None and not self._best.improves(logs)):
            return
        assert self._model is not None
        self._model.save(self._filled({"epoch": epoch, **logs}))

    def _filled(self, values: Logs) -> str:
        unknown = [field for field in self._fields if field not in values]
        if unknown:
            raise ValueError(
                f"path: expected names out of {', '.join(values)}, got {', '.join(unknown)}"
            )
        try:
            return self.path.format(**values) if self._fields else self.path
        except ValueError as error:
            raise ValueError(
                f"path: expected a pattern of str.format, got {self.path!r}: {error}"
            ) from None


def check_field_model(argument: str, path: str) -> None:
    """Raise if several models would write to one place."""
    if "model" not in _fields_of(path):
        raise ValueError(
            f"{argument}: expected a place for {{model}}, for each model needs one of its own, got {path!r}"
        )


def _fields_of(path: str) -> list[str]:
    """The names that a path is filled in with."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(path) if field is not None]
    except ValueError as error:
        raise ValueError(f"path: expected a pattern of str.format, got {path!r}: {error}") from None
    if any(not field.isidentifier() for field in fields):
        raise ValueError(f"path: expected names in braces, such as {{epoch}}, got {path!r}")
    return fields


class CSVLogger(Callback):
    """Write a line for each epoch: its number, and the numbers of the logs.

    Parameters
    ----------
    path : path-like
        With `vgcore.fit_many`, ``{model}`` in it is the model's place in the list.
    append : bool
        Go on with a file that is there, whose columns must be the same.
    """

    def __init__(
        self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes], append: bool = False
    ) -> None:
        self.path = _validate.path("path", path)
        self.append = _validate.boolean("append", append)
        self._columns: list[str] | None = None

    def for_model(self, place: int) -> CSVLogger:
        """One of its own, with a file of its own."""
        check_field_model("path", self.path)
        return CSVLogger(self.path.format(model=place), self.append)

    def on_train_begin(self, model: Sequential) -> None:
        """Begin a file, or read the columns of the one that is there."""
        self._columns = None
        with open(self.path, "a+" if self.append else "w+", newline="", encoding="utf-8") as file:
            file.seek(0)
            whole, end, torn = file.read().rpartition("\n")
            if torn:  # a line that a kill has broken off
                file.seek(0)
                file.truncate(len((whole + end).encode()))
            self._columns = next(csv.reader(whole.splitlines()), None)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line, and what is above it if it is the first."""
        values = {"epoch": epoch, **logs}
        values = {name: value for name, value in values.items() if isinstance(value, int | float)}
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            if self._columns is None:
                self._columns = list(values)
                csv.writer(file).writerow(self._columns)
            if {*values} - {*self._columns}:
                raise ValueError(
                    f"path: expected a file with the columns {', '.join(values)}, got {self.path} with "
                    f"{', '.join(self._columns)}"
                )
            csv.writer(file).writerow(values.get(name, "") for name in self._columns)


def __dir__() -> list[str]:
    """What users look for."""
    return [*__all__, *_LATER]


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__, _LATER)
