"""How training goes, for somebody who looks on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vgcore import _validate
from vgcore._extras import missing
from vgcore.model.callbacks import Callback, Logs
from vgcore.model.history import Progress, in_words

_FORMAT = "{desc}{percentage:3.0f}%|{bar:8}| {elapsed}<{remaining}, {rate_fmt}{postfix}"
_SHARE_FORMAT = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed}"
_DELAY = 2.0  # seconds that a run takes before it is shown
_APART = 10.0  # seconds between two lines that count


@contextmanager
def shown(verbose: int | str) -> Iterator[list[Callback]]:
    """The callbacks that show a run, until it ends in whatever way."""
    callbacks = _of_verbosity(verbose)
    try:
        yield callbacks
    finally:
        for callback in callbacks:
            if isinstance(callback, Bar):
                callback.close()


@contextmanager
def share(description: str) -> Iterator[Callable[[float], None]]:
    """What is told which share of some work is done, and shows it as a bar where somebody looks."""
    if not watched() or _tqdm() is None:
        yield lambda done: None
        return
    with _tqdm()(
        total=1.0, desc=description, bar_format=_SHARE_FORMAT, file=sys.stderr, leave=False
    ) as bar:
        yield lambda done: bar.update(done - bar.n) and None


def _of_verbosity(verbose: int | str) -> list[Callback]:
    """The callbacks that show a run.

    Raises
    ------
    ModuleNotFoundError
        If a bar is asked for and tqdm is not installed.
    """
    if isinstance(verbose, str) and verbose == "auto":
        if not watched():
            return []
        return [Bar(_DELAY)] if _tqdm() is not None else [Lines(_DELAY)]
    if isinstance(verbose, str):
        raise ValueError(f"verbose: expected 'auto', 0, 1 or 2, got {verbose!r}")
    if isinstance(verbose, bool):
        verbose = int(verbose)
    verbose = _validate.integer("verbose", verbose, minimum=0, maximum=2)
    if verbose == 1 and _tqdm() is None:
        raise ModuleNotFoundError(missing("tqdm", "progress", "verbose=1 needs"), name="tqdm")
    of_mode: list[list[Callback]] = [[], [Bar()], [Lines()]]
    return of_mode[verbose]


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm


def watched() -> bool:
    """Whether somebody looks: a terminal, or a notebook."""
    shell = sys.modules.get("IPython")
    kernel = shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None
    return kernel or (sys.stderr is not None and sys.stderr.isatty())


class Counted:
    """What is told how many of some pieces of work are done, and shows it."""

    def __init__(self, description: str, unit: str, verbose: int | str) -> None:
        """As `shown` does, by ``verbose``."""
        callbacks = _of_verbosity(verbose)
        self._description, self._unit, self._silent = description, unit, verbose == 0
        self._bars = any(isinstance(each, Bar) for each in callbacks)
        self._lines = any(isinstance(each, Lines) for each in callbacks)
        self._delay = _DELAY if verbose == "auto" else 0.0
        self._bar: Any = None
        self._done = self._failed = self._all = 0

    def begin(self, total: int, done: int, resumed: bool) -> None:
        """Begin with some of them done, and say so if it goes on, whoever looks."""
        self._all, self._done, self._first = total, done, done
        self._begin = self._last = time.monotonic()
        if resumed and not self._silent:
            print(f"resumed: {done} of {total} done", flush=True)
        if self._bars and done < total:
            self._bar = _tqdm()(
                *(None, self._description, total),
                **{"initial": done, "unit": self._unit, "file": sys.stderr, "delay": self._delay},
            )

    def one(self, failed: bool) -> None:
        """One more is done, or has failed."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            if self._failed:
                self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
            self._bar.update()
            return
        now = time.monotonic()
        over = self._done == self._all and now - self._begin >= self._delay
        if self._lines and (over or now - self._last >= _APART):
            self._last = now
            print(self._line(now - self._begin), flush=True)

    def _line(self, seconds: float) -> str:
        share = (self._all - self._done) / max(self._done - self._first, 1)
        failed = f", {self._failed} failed" if self._failed else ""
        left = f", {_clock(share * seconds)} left" if share else f" in {_clock(seconds)}"
        return f"{self._description}: {self._done} of {self._all}{failed}{left}"

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def counted(description: str, unit: str, verbose: int | str) -> Iterator[Counted]:
    """What is told how many pieces of work are done, until they end in whatever way."""
    show = Counted(description, unit, verbose)
    try:
        yield show
    finally:
        show.close()


def _clock(seconds: float) -> str:
    """A time as bars write it: 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


_ASIDE = ("seconds", "learning_rate", "model")  # of the logs: told elsewhere, or by nobody


def line(logs: Logs) -> str:
    """The numbers of an epoch in a line."""
    return in_words({name: value for name, value in logs.items() if name not in _ASIDE})


class Lines(Callback):
    """A line for each epoch, on standard output; none for those that end within ``delay`` seconds.

    ``whose``: what stands in front.
    """

    def __init__(self, delay: float = 0.0, whose: str = "") -> None:
        self._delay, self._whose = delay, whose
        self._epochs: int | None = None

    def for_model(self, place: int) -> Lines:
        """Lines that say whose they are."""
        return Lines(self._delay, f"models[{place}], ")

    def on_train_begin(self, model: Any) -> None:
        """Look at the clock."""
        self._begin = time.monotonic()

    def on_progress(self, progress: Progress) -> None:
        """Learn how many epochs there are."""
        self._epochs = progress.epochs

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Print the line."""
        if time.monotonic() - self._begin >= self._delay:
            of = f"/{self._epochs}" if self._epochs else ""
            told = f"epoch {epoch + 1}{of}: {line(logs)} ({logs['seconds']:.1f} s)"
            print(f"{self._whose}{told}", flush=True)


class Bar(Callback):
    """A bar of all steps, on standard error, once the run has taken ``delay`` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self._bar: Any = None
        self._epoch = ""

    def on_progress(self, progress: Progress) -> None:
        """Move on."""
        if self._bar is None:
            self._bar = _tqdm()(
                total=progress.steps,
                delay=self._delay,
                unit="step",
                file=sys.stderr,
                mininterval=0.1,
                bar_format=None if progress.steps is None else _FORMAT,
            )
        self._bar.set_postfix_str(f"loss {progress.loss:.4g}{self._epoch}", refresh=False)
        self._bar.set_description(
            f"epoch {min(progress.epoch + 1, progress.epochs)}/{progress.epochs}", refresh=False
        )
        self._bar.update(progress.step - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep what validation has found."""
        shown = {name: value for name, value in logs.items() if name.startswith(("val_", "acc"))}
        self._epoch = f", {line(shown)}" if shown else ""
        if self._bar is not None:
            self._bar.set_postfix_str(line(logs), refresh=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
