"""What is finished of an experiment, kept in a folder, so that a run that was stopped goes on.

An experiment is made of parts, such as one network's training, each of which is done once; within a part, a
training is kept as it stands, at most every ten seconds, and goes on with the same bits.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vgcore import _files, _locks, _npz, _validate
from vgcore._core.simd import level
from vgcore._version import __version__
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.model.callbacks import Callback
from vgcore.model.storage import load

Part = TypeVar("Part")

_SETTINGS = "settings.json"
_DATA = "data"
_PART, _FIT = ".part.npz", ".fit.json"
_SECONDS = 10  # from one file of a training to the next


class Trained(NamedTuple):
    """What `Keep.fit` made: ``history`` has each epoch's logs, those of earlier runs included."""

    model: Sequential
    flow: GradientFlow | None
    history: dict[str, list[float]]


class Keep:
    """The folder of one experiment with certain settings.

    Parameters
    ----------
    folder : path-like or None
        Made, where there is none; None: nothing is kept.
    experiment : str
    data : iterable of path-likes
        Files that are read. Their content is what must be the same, wherever they lie; where nothing is
        kept, they are not asked for.
    **settings
        All else that the outcome depends on: numbers and strings.

    Raises
    ------
    ValueError
        If the folder holds something else, or another run, or one on other data.
    OSError
        If it cannot be made, read or written; BlockingIOError if another process uses it.
    """

    def __init__(
        self, folder: Any, experiment: str, *, data: Iterable[Any] = (), **settings: Any
    ) -> None:
        self._folder = None if folder is None else _path(folder)
        if self._folder is not None:
            whose = {"experiment": experiment, **settings, _DATA: _digest(data)}
            _make(self._folder)
            self._lock = _locked(self._folder)  # as long as this is there
            _open(self._folder, {**whose, "vgcore": __version__, "cpu_level": level})

    def part(self, name: str, kind: type[Part], work: Callable[[], Part]) -> Part:
        """Do a part, or read what it came to.

        Parameters
        ----------
        name : str
            Letters, digits, points and hyphens.
        kind : type
            A dataclass of arrays, numbers, strings and flows.
        work : callable
            Called without arguments, if the part is not finished; returns one of ``kind``.
        """
        if self._folder is None:
            return work()
        path = self._folder / f"{name}{_PART}"
        flows = {
            field.name: self._folder / f"{name}.{field.name}.flow.npz"
            for field in fields(kind)  # type: ignore[arg-type]
        }
        if path.exists():
            values: dict[str, Any]
            with _npz.refusing(
                str(path), "a part that was kept (delete it: it is done again)", "keep"
            ):
                values = {
                    key: value if value.ndim else value.item()
                    for key, value in _npz.read(str(path)).items()
                }
                for key, file in flows.items():
                    if file.exists():
                        values[key] = GradientFlow.load(file)
                if other := values.keys() ^ flows.keys():
                    raise ValueError(f"it differs from such a part in {_npz.some(other)}")
            return kind(**values)
        part = work()
        values = {key: getattr(part, key) for key in flows}
        for key, value in values.items():
            if isinstance(value, GradientFlow):
                value.save(flows[key])
        numbers = {key: v for key, v in values.items() if not isinstance(v, GradientFlow)}
        _npz.write(path, {key: np.asarray(value) for key, value in numbers.items()})
        _Training(self._folder, name).forget()
        return part

    def fit(
        self,
        name: str,
        model: Sequential,
        x: Any,
        y: Any,
        *,
        epochs: int,
        track: GradientFlow | None = None,
        callbacks: Sequence[Any] = (),
        **options: Any,
    ) -> Trained:
        """Train a new model as `Sequential.fit` does, from where an earlier run was stopped.

        Parameters
        ----------
        name : str
            Of the part that this belongs to.
        model : Sequential
            Compiled and not trained yet. What comes back is this one, or one that was kept.
        """
        options = {"verbose": 0, **options}
        if self._folder is None:
            history = model.fit(
                x, y, epochs=epochs, track=track, callbacks=list(callbacks), **options
            )
            return Trained(model, track, dict(history.history))
        training = _Training(self._folder, name)
        model, track = training.restored(model, track)
        if training.epochs < epochs:
            model.fit(
                x,
                y,
                epochs=epochs,
                initial_epoch=training.epochs,
                track=track,
                callbacks=[*callbacks, _Keeping(training, track)],
                **options,
            )
        return Trained(model, track, training.history)


def told(folder: Path) -> str:
    """What a folder holds, in words."""
    parts, begun = (len(list(folder.glob(f"*{end}"))) for end in (_PART, _FIT))
    return (
        f"{folder} keeps what is finished (parts: {parts}) and what has begun (trainings: {begun})"
    )


def _path(folder: Any) -> Path:
    name = _validate.path("keep", folder)
    if not name:
        raise ValueError("keep: expected a folder, got ''")
    return Path(name)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise type(error)(f"keep: expected a folder, got {folder}, where a file is") from error


def _digest(files: Iterable[Any]) -> str | None:
    """Tells files of other content apart; None without any."""
    parts = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(parts).encode()).hexdigest() if parts else None


def _locked(folder: Path) -> _locks.FolderLock:
    try:
        return _locks.lock_folder(folder)
    except BlockingIOError as error:
        raise BlockingIOError(
            f"keep: expected a folder that no other run is using, got {folder}, which another process uses"
        ) from error


def _open(folder: Path, settings: dict[str, Any]) -> None:
    """See that the folder is new, or this run's, or another's that failed before anything was done."""
    path = folder / _SETTINGS
    kept = set(folder.iterdir())
    if kept and path not in kept:
        raise ValueError(f"keep: expected a new folder or one of an earlier run, got {folder}")
    try:
        there = dict(json.loads(path.read_text(encoding="utf-8"))) if kept else {}
    except (ValueError, TypeError) as error:
        raise ValueError(f"keep: expected a folder of an earlier run, got {folder}") from error
    other = [key for key in settings if there.get(key) != settings[key]]
    if other and (kept > {path} or there.keys() - settings.keys()):
        what = ", ".join(
            "other data (the content of the files differs)"
            if key == _DATA
            else f"{key} {there.get(key)!r} (now {settings[key]!r})"
            for key in other
        )
        raise ValueError(f"keep: expected a folder of the same run, got {folder} with {what}")
    if other:
        _files.replace(path, lambda file: file.write(json.dumps(settings, indent=1).encode()))


@dataclass
class _Training:
    """A training as it stands: its model and record in files that a small one names, written last."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self._state = self.folder / f"{self.name}{_FIT}"
        self.epochs: int = 0
        self.history: dict[str, list[float]] = {}
        if self._state.exists():
            expected = "a training that was kept (delete it: it begins again)"
            with _npz.refusing(str(self._state), expected, "keep"):
                kept = json.loads(self._state.read_text(encoding="utf-8"))
                self.epochs, self.history = kept["epochs"], kept["history"]

    def restored(
        self, model: Sequential, flow: GradientFlow | None
    ) -> tuple[Sequential, GradientFlow | None]:
        if not self.epochs:
            return model, flow
        model = load(self._file("model"))
        return model, None if flow is None else GradientFlow.load(self._file("flow"))

    def save(self, model: Sequential, flow: GradientFlow | None, epochs: int) -> None:
        before, self.epochs = set(self._files()), epochs
        model.save(self._file("model"))
        if flow is not None:
            flow.save(self._file("flow"))
        state = json.dumps({"epochs": epochs, "history": self.history})
        _files.replace(self._state, lambda file: file.write(state.encode()))
        for path in before:
            path.unlink(missing_ok=True)

    def forget(self) -> None:
        self._state.unlink(missing_ok=True)
        for path in self._files():
            path.unlink(missing_ok=True)

    def _file(self, what: str) -> Path:
        return self.folder / f"{self.name}.{what}-{self.epochs}.npz"

    def _files(self) -> list[Path]:
        return [
            path for what in ("model", "flow") for path in self.folder.glob(f"{self.name}.{what}-*")
        ]


class _Keeping(Callback):
    """Keeps a training behind an epoch, where ten seconds have passed."""

    every_steps = 0

    def __init__(self, training: _Training, flow: GradientFlow | None) -> None:
        self._training, self._flow = training, flow
        self._last = time.monotonic()

    def on_train_begin(self, model: Sequential) -> None:
        self._model = model

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        for key, value in logs.items():
            self._training.history.setdefault(key, []).append(value)
        if time.monotonic() - self._last >= _SECONDS:
            self._training.save(self._model, self._flow, epoch + 1)
            self._last = time.monotonic()
