"""Tables of a record in files that others read: CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import IO, Any

from numpy.typing import NDArray

from vgcore import _extras, _files
from vgcore._files import Path

Columns = Mapping[str, NDArray[Any]]

_ROWS = 2**16  # written at once


def write_csv(path: Path, columns: Columns) -> None:
    """Write a row of names, then the rows; a number as the fewest digits that give it again."""
    _files.replace(path, lambda file: _write_rows(file, columns))


def write_parquet(path: Path, columns: Columns) -> None:
    """Write the columns as they are; ModuleNotFoundError without pyarrow."""
    with _extras.needing("pyarrow", "to_parquet needs"):
        import pyarrow
        from pyarrow import parquet
    table = pyarrow.table(dict(columns))
    _files.replace(path, lambda file: parquet.write_table(table, file))


def _write_rows(file: IO[bytes], columns: Columns) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    count = max(map(len, columns.values()), default=0)
    for first in range(0, count, _ROWS):
        some = (column[first : first + _ROWS].tolist() for column in columns.values())
        writer.writerows(zip(*some, strict=True))
    text.detach()
