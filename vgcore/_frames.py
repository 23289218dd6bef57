"""Tables as pandas has them, where the user has pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vgcore import _extras

if TYPE_CHECKING:
    from pandas import DataFrame


class Index(NamedTuple):
    """What rows are called."""

    name: str
    values: Sequence[Any]


def dataframe(columns: Mapping[str, Any], index: Index | None = None) -> DataFrame:
    """A DataFrame of some columns; ModuleNotFoundError without pandas."""
    with _extras.needing("pandas", "to_dataframe needs"):
        import pandas
    rows = None if index is None else pandas.Index(index.values, name=index.name)
    return pandas.DataFrame(dict(columns), index=rows)
