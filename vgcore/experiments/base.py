"""The contract of an experiment.

An experiment is a file with a function ``run`` that returns a `Result`. Its parameters have
defaults and are ``Annotated`` with a line of help. The command line takes its options from there and
shows the result; no experiment prints.

What every ``run`` takes, and its own docstring does not repeat: numbers that count are integers of at least
1 where it says nothing else; names to choose from come separated by commas; ``data`` is a folder of MNIST's
files; ``seed``, an integer of at least 0, makes a run repeatable; ``meter``, the last one, is a `Meter`. What
every ``run`` raises, before any work:

- TypeError, ValueError: an argument is not of its kind, or a file is damaged;
- OSError: a file is missing or cannot be read;
- ImportError: a library is missing that reads, downloads or draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vgcore import _validate
from vgcore.model.callbacks import OnProgress
from vgcore.model.history import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Meter = Callable[[str, int, int], object]
"""Called with the name of a part of the work, what is done of it, and its whole."""


class Table(NamedTuple):
    """Rows of text under a title; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Result(Protocol):
    """What an experiment found, and how it is shown."""

    def tables(self) -> list[Table]:
        """The numbers."""

    def notes(self) -> list[str]:
        """What the numbers say, and what must be known to read them; a sentence or two each."""

    def picture(self) -> Figure:
        """One figure; ImportError without matplotlib."""


def silent(part: str, done: int, whole: int) -> None:
    """A `Meter` that shows nothing."""


def fit_callback(meter: Meter, part: str) -> OnProgress:
    """A callback for `Sequential.fit` that reports its steps as ``part``."""

    def report(progress: Progress) -> None:
        assert progress.steps is not None
        meter(part, progress.step, progress.steps)

    return OnProgress(report)


def names(argument: str, given: str, options: Iterable[str]) -> list[str]:
    """Names separated by commas, each of them one of ``options`` and there once."""
    if not isinstance(given, str):
        raise TypeError(
            f"{argument}: expected names separated by commas, got {type(given).__name__}"
        )
    options = list(options)
    chosen = [
        _validate.one_of(argument, name.strip().lower(), options) for name in given.split(",")
    ]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{argument}: expected each {argument} once, got {', '.join(chosen)}")
    return chosen
