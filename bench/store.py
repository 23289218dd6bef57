"""Measurements kept in a file, one JSON object a line: what was measured is not measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Key = tuple[str, str, int, str]
"""Program, form, seed, and what was measured."""


class Store:
    """Measurements by key; without a path they are kept in memory alone.

    A line that an interrupted run has left unfinished is passed over.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._found: dict[Key, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            program, form, seed, what = row.pop("key")
            self._found[program, form, seed, what] = row

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return self._found[key]

    def get(self, key: Key) -> dict[str, Any] | None:
        """What was measured, or None."""
        return self._found.get(key)

    def add(self, key: Key, row: dict[str, Any]) -> None:
        """Keep a measurement."""
        self._found[key] = row
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"key": key, **row}) + "\n")
