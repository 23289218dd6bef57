"""The contract of an experiment.

An experiment is a file with a function ``run`` that returns a `Result`. Its parameters have
defaults and are ``Annotated`` with a line of help; the last one, ``meter``, hears how far it is.
The command line takes its options from there and shows the result; no experiment prints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vgcore.history import Progress

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


def fit_callback(meter: Meter, part: str) -> Callable[[Progress], None]:
    """A callback for `Sequential.fit` that reports its steps as ``part``."""

    def report(progress: Progress) -> None:
        meter(part, progress.step, progress.steps)

    return report
