"""The contract of an experiment.

An experiment is a file with `About` it, as ``ABOUT``, and a function ``run`` that returns a `Result`. Its
parameters have defaults and are ``Annotated`` with a line of help. The command line takes its options from
there and shows the result; no experiment prints.

What every ``run`` takes, and its own docstring does not repeat: numbers that count are integers of at least
1 where it says nothing else; names to choose from come separated by commas; ``data`` is a folder of MNIST's
files, which are downloaded without it; ``seed``, an integer of at least 0, makes a run repeatable. By default
a run takes a minute at most on two cores; with ``full`` it is of the source's own scale, and where ``keep``
names a folder, what is finished is kept there (`vgcore.experiments.keep`), so that a run that was stopped
goes on. ``meter``, the last one, is a `Meter`. What every ``run`` raises, before any work:

- TypeError, ValueError: an argument is not of its kind, or a file is damaged;
- OSError: a file is missing or cannot be read;
- ImportError: a library is missing that reads, downloads or draws.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from vgcore import _html, _validate
from vgcore.model.callbacks import OnProgress
from vgcore.model.history import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Meter = Callable[[str, int, int], object]
"""Called with the name of a part of the work, what is done of it, and its whole."""

MnistFolder = Annotated[
    Path | None, "Folder of MNIST's files. Left out, they are downloaded once and kept."
]
"""The ``data`` of a ``run``, with its help."""

KeepFolder = Annotated[Path | None, "Folder to keep what is finished in."]
"""The ``keep`` of a ``run``, with its help."""

REPRODUCES, IN_KIND, DOES_NOT = VERDICTS = "reproduces", "in kind", "does not"
"""From the best to the worst."""


class About(NamedTuple):
    """What an experiment is about.

    Attributes
    ----------
    shows : str
        What it shows, in a line.
    source : str
        Who published it, where; the sections, figures or tables that its numbers are from. Of an
        experiment of vgcore's own, what it is after.
    """

    shows: str
    source: str


class Claim(NamedTuple):
    """One statement of the source, beside what was measured.

    Attributes
    ----------
    statement : str
        What is said to hold, in a line.
    published, measured : str
        The outcome there and here, in the same terms.
    verdict : str
        One of `VERDICTS`, as `verdict` gives it.
    why : str
        What is different, where it does not wholly reproduce: the scale, the data, a number by how much.
    """

    statement: str
    published: str
    measured: str
    verdict: str
    why: str = ""


class Table(NamedTuple):
    """Rows of text under a title; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Result(ABC):
    """What an experiment found, and how it is shown; its numbers are attributes of each experiment's own.

    Experiments' are data classes without a ``repr`` of their own, which would show all numbers at a prompt.
    """

    @abstractmethod
    def claims(self) -> list[Claim]:
        """What the source says, beside what was measured."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """The numbers."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What the numbers say, and what must be known to read them; a sentence or two each."""

    @abstractmethod
    def picture(self) -> Figure:
        """One figure; ImportError without matplotlib."""

    @property
    def verdict(self) -> str:
        """The worst of the claims'."""
        return max((claim.verdict for claim in self.claims()), key=VERDICTS.index)

    def __repr__(self) -> str:
        """The claims, a paragraph each."""
        return "\n\n".join(map(_told, self.claims()))

    def _repr_html_(self) -> str:
        """The claims as a table, in a notebook."""
        rows = [tuple(claim) for claim in self.claims()]
        return _html.table(f"Verdict: {self.verdict}", CLAIM_COLUMNS, rows)


CLAIM_COLUMNS = "statement", "published", "measured", "verdict", "why"


def verdict(number: bool, kind: bool) -> str:
    """What to say of a claim.

    Parameters
    ----------
    number : bool
        Whether what was measured is the published outcome, as near as the claim's own terms ask.
    kind : bool
        Whether what the source concludes from it holds here: what is larger, what learns, what vanishes.
    """
    if not kind:
        return DOES_NOT
    return REPRODUCES if number else IN_KIND


def near(measured: float, published: float) -> tuple[bool, bool]:
    """Whether a number is about a published one, and whether it is of its order: by at most 2, and by 10."""
    return published / 2 <= measured <= 2 * published, published / 10 < measured < 10 * published


def _told(claim: Claim) -> str:
    lines = [
        f"{claim.statement}: {claim.verdict}",
        f"  published: {claim.published}",
        f"  measured:  {claim.measured}",
    ]
    return "\n".join(lines + ([f"  why: {claim.why}"] if claim.why else []))


def silent(part: str, done: int, whole: int) -> None:
    """A `Meter` that shows nothing."""


def fit_callback(meter: Meter, part: str) -> OnProgress:
    """A callback for `Sequential.fit` that reports its steps as ``part``."""

    def report(progress: Progress) -> None:
        assert progress.steps is not None
        meter(part, progress.step, progress.steps)

    return OnProgress(report)


@contextmanager
def reading(argument: str, path: Any) -> Iterator[None]:
    """Have what goes wrong where a text file is read speak of the argument."""
    _validate.path(argument, path)
    try:
        yield
    except OSError as error:
        raise type(error)(
            f"{argument}: expected a text file that can be read, got {path} ({error.strerror})"
        ) from error


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
