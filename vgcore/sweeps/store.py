"""Results of a sweep in an SQLite file, written by one process, a row as each run ends."""

from __future__ import annotations

import errno
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from vgcore import _files, _locks, _validate
from vgcore.sweeps.grid import Run
from vgcore.sweeps.outcome import Outcome
from vgcore.sweeps.table import Row

_FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS sweep (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, config TEXT NOT NULL, repeat INTEGER NOT NULL, seed INTEGER NOT NULL,
    status TEXT NOT NULL, result TEXT NOT NULL, flows TEXT NOT NULL, traceback TEXT,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, host TEXT, cpu_level TEXT, versions TEXT NOT NULL,
    ended TEXT NOT NULL
);
"""
_COLUMNS = (
    *("id", "config", "repeat", "seed", "status", "result", "flows", "traceback", "attempts"),
    *("seconds", "host", "cpu_level", "versions", "ended"),
)
_ADD = (
    f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
)


class Store:
    """The file, opened by the one process that writes it.

    Parameters
    ----------
    path : path-like
    train : str
        The name of the function.
    names : sequence of str
        Of the grid.

    Raises
    ------
    ValueError
        If the file is something else, or holds another sweep.
    OSError
        If it cannot be made, read or written; BlockingIOError if another process is writing it.
    """

    def __init__(self, path: Any, train: str, names: Sequence[str]) -> None:
        self._path = _path(path)
        _files.check_writable(self._path)
        self._folder = _folder(self._path)
        self._folder.mkdir(exist_ok=True)
        self._open = ExitStack()
        with ExitStack() as opened, _speaking_of(self._path):
            opened.callback(_remove_empty, self._folder)
            self._lock = _locked(self._folder, self._path)
            self._file = opened.enter_context(
                closing(sqlite3.connect(self._path, isolation_level=None))
            )
            self._prepare(train, names)
            self._open = opened.pop_all()

    def _prepare(self, train: str, names: Sequence[str]) -> None:
        """See that the file is new, or this sweep's, and that it can be read while it is written."""
        self._file.execute("PRAGMA busy_timeout = 10000")
        tables = [name for (name,) in self._file.execute("SELECT name FROM sqlite_master")]
        if tables and not {"sweep", "runs"} <= set(tables):
            raise ValueError(f"store: expected a new file or a sweep's, got {self._path}")
        mine = {"format": _FORMAT, "train": train, "names": list(names)}
        if tables:
            there = _header(self._file)
            if there and _ordered(there) != _ordered(mine):
                raise ValueError(
                    f"store: expected one of this sweep, of {_told(mine)}; got {self._path} of {_told(there)}"
                )
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
        self._file.executescript(f"BEGIN; {_TABLES} COMMIT;")
        self._file.executemany(
            "INSERT OR REPLACE INTO sweep VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in mine.items()],
        )

    def rows(self) -> dict[str, Row]:
        """What is there, by the runs' ids."""
        with _speaking_of(self._path):
            return _rows(self._file, self._path)

    def add(self, run: Run, outcome: Outcome, attempts: int) -> None:
        """Keep what came of a run: its records first, so that a row never speaks of what is not there."""
        flows: dict[str, str] = {}
        for name, flow in outcome.flows.items():
            flows[name] = f"{run.id}.{len(flows)}.npz"
            flow.save(self._folder / flows[name])
        values = (
            *(run.id, run.config, run.repeat, run.seed),
            "done" if outcome.traceback is None else "failed",
            *(json.dumps(outcome.result), json.dumps(flows), outcome.traceback, attempts),
            *(outcome.seconds, outcome.host, outcome.cpu_level, json.dumps(outcome.versions)),
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        with _speaking_of(self._path):
            self._file.execute(_ADD, values)

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()
        del self._lock


def read(path: Any) -> tuple[list[Row], list[str]]:
    """All rows of a store, which may be in the middle of its sweep, and the names of its grid."""
    name = _path(path)
    name.open("rb").close()  # raises what SQLite only says in words
    with _speaking_of(name):
        file = _opened(name.resolve())
        try:
            header = _header(file)
            if "names" not in header:
                raise ValueError(f"store: expected a sweep's, got {name}")
            return list(_rows(file, name).values()), header["names"]
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
            raise ValueError(f"store: expected a sweep's, got {name}") from error
        finally:
            file.close()


def _opened(path: Path) -> sqlite3.Connection:
    """The file, to be read alone.

    SQLite writes beside a file with a WAL as it reads it. Where it cannot, as on a disk that is read-only,
    and no WAL is left, it reads the file as one that nobody changes.
    """
    address = f"{path.as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as file:
            file.execute("SELECT name FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        wal = path.with_name(f"{path.name}-wal")
        if "locked" in str(error) or (wal.exists() and wal.stat().st_size):
            raise
        address += "&immutable=1"
    return sqlite3.connect(address, uri=True)


def _header(file: sqlite3.Connection) -> Mapping[str, Any]:
    return {key: json.loads(value) for key, value in file.execute("SELECT key, value FROM sweep")}


def _ordered(header: Mapping[str, Any]) -> dict[str, Any]:
    """The same, whatever the order of the names."""
    return {**header, "names": sorted(header.get("names", ()))}


def _rows(file: sqlite3.Connection, path: Path) -> dict[str, Row]:
    rows = {}
    for values in file.execute(f"SELECT {', '.join(_COLUMNS)} FROM runs ORDER BY rowid"):
        row = dict(zip(_COLUMNS, values, strict=True))
        flows = json.loads(row["flows"])
        rows[row["id"]] = Row(
            json.loads(row["config"]),
            *(row["repeat"], row["seed"], row["status"], json.loads(row["result"])),
            *(row["traceback"], row["attempts"], row["seconds"], row["host"], row["cpu_level"]),
            json.loads(row["versions"]),
            {name: _folder(path) / file for name, file in flows.items()},
        )
    return rows


def _path(path: Any) -> Path:
    name = _validate.path("store", path)
    if not name:
        raise ValueError("store: expected a file, got ''")
    return Path(name)


def _folder(path: Path) -> Path:
    """Where the records are."""
    return path.with_name(f"{path.name}.flows")


def _locked(folder: Path, path: Path) -> _locks.FolderLock:
    """The lock of the one who writes, on the folder: SQLite's own locks are on the file."""
    try:
        return _locks.FolderLock(str(folder))
    except BlockingIOError as error:
        raise BlockingIOError(
            f"store: expected one that no other sweep is writing, got {path}"
        ) from error


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _told(header: Mapping[str, Any]) -> str:
    names = ", ".join(header.get("names", ()))
    of = f"{header.get('train')} over {names}"
    return of if header.get("format") == _FORMAT else f"{of} (format {header.get('format')})"


@contextmanager
def _speaking_of(path: Path) -> Iterator[None]:
    """Raise what files raise where SQLite says what is wrong in words, and name the file in what else is."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise ValueError(
            f"store: expected JSON in {path}, got {error.doc!r:.80}: {error}"
        ) from error
    except sqlite3.OperationalError as error:
        codes = {"full": errno.ENOSPC, "readonly": errno.EACCES, "locked": errno.EAGAIN}
        code = next((code for word, code in codes.items() if word in str(error)), errno.EIO)
        raise OSError(code, str(error), str(path)) from error
    except sqlite3.DatabaseError as error:
        raise ValueError(f"store: expected an SQLite file, got {path}: {error}") from error
