"""What a sweep gives: a row for each run, and ways to look at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgcore import _frames, _validate
from vgcore.flow import GradientFlow

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Row:
    """One run, and what came of it.

    Attributes
    ----------
    config : dict
    repeat, seed : int
    status : {"done", "failed"}
    result : dict of str to float
        The numbers that came back; empty of a run that has failed.
    traceback : str or None
        Of the last attempt of a run that has failed.
    attempts : int
    seconds : float
        Of the last attempt.
    host, cpu_level : str or None
        Where it ran; None of a worker that has died.
    versions : dict of str to str
        Of Python, NumPy and vgcore there.
    files : dict of str to pathlib.Path
        Records that came back, by name.
    """

    config: dict[str, Any]
    repeat: int
    seed: int
    status: str
    result: dict[str, float]
    traceback: str | None
    attempts: int
    seconds: float
    host: str | None
    cpu_level: str | None
    versions: dict[str, str]
    files: dict[str, Path]

    def flow(self, name: str | None = None) -> GradientFlow:
        """A record that came back; without a name, the only one."""
        if name is None and len(self.files) != 1:
            raise ValueError(
                f"name: expected one of {', '.join(self.files) or 'none, for no record came back'}"
            )
        if name is not None and name not in self.files:
            raise KeyError(f"{name}: expected one of {', '.join(self.files) or 'none'}")
        return GradientFlow.load(self.files[name or next(iter(self.files))])

    def flat(self) -> dict[str, Any]:
        """What a table has of it."""
        return {
            **self.config,
            "repeat": self.repeat,
            "seed": self.seed,
            **self.result,
            "status": self.status,
            "run_seconds": self.seconds,
            "host": self.host,
            "cpu_level": self.cpu_level,
        }


class Table(Sequence[Row]):
    """The runs of a `vgcore.sweep`, in the order of its grid.

    Attributes
    ----------
    rows : list of Row
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str] = ()) -> None:
        self.rows = list(rows)
        self._names = list(names)  # of the grid, in its order

    @property
    def failures(self) -> list[Row]:
        """The runs that have failed, each with its traceback."""
        return [row for row in self.rows if row.status == "failed"]

    def flows(self, name: str | None = None, **config: Any) -> list[GradientFlow]:
        """Records that came back, read from their files: of all runs, or of some configurations alone.

        Parameters
        ----------
        name : str, optional
            As the dict had it that ``train`` returned; may be left out where there is one of a run.
        **config
            Values of the configurations: ``table.flows(depth=10)``.

        Raises
        ------
        ValueError
            If no configuration has such a name.
        """
        names = dict.fromkeys([*self._names, *(each for row in self.rows for each in row.config)])
        for each in config:
            _validate.one_of("config", each, names)
        given = config.items()
        return [
            row.flow(name)
            for row in self.rows
            if row.files and all(key in row.config and row.config[key] == v for key, v in given)
        ]

    def columns(self) -> dict[str, list[Any]]:
        """Each column by its name; None where a row has no such value."""
        flat = [row.flat() for row in self.rows]
        configs = dict.fromkeys(name for row in self.rows for name in row.config)
        mine = [name for name in self._names if name in configs]
        names = dict.fromkeys([*mine, *configs, *(name for row in flat for name in row)])
        return {name: [row.get(name) for row in flat] for name in names}

    def to_dataframe(self) -> DataFrame:
        """Make a pandas DataFrame of the columns.

        Raises
        ------
        ModuleNotFoundError
            Without pandas.
        """
        return _frames.dataframe(self.columns())

    def __len__(self) -> int:
        """How many runs there are."""
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        """One row, or a table of some."""
        return (
            Table(self.rows[place], self._names) if isinstance(place, slice) else self.rows[place]
        )

    def __iter__(self) -> Iterator[Row]:
        """Each row."""
        return iter(self.rows)

    def __repr__(self) -> str:
        """How many runs there are, and have failed."""
        failed = len(self.failures)
        return f"<Table of {len(self)} runs: {len(self) - failed} done, {failed} failed>"


def column(table: Any, argument: str, name: Any) -> list[Any]:
    """A column of a Table, a DataFrame or a dict of columns, which is a picture's source; ValueError names
    those there are.
    """
    columns = table.columns() if isinstance(table, Table) else table
    names = list(columns) if isinstance(columns, Mapping) else list(columns.columns)
    if not names:
        raise ValueError("source: expected a table with columns, got one without")
    if name not in names:
        raise ValueError(f"{argument}: expected one of {', '.join(map(str, names))}; got {name!r}")
    return list(columns[name])
