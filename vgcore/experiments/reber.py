"""The embedded Reber grammar, string after string without an end (Gers et al. 2000, figure 2).

A string is B, then T or P, then a word of Reber's grammar, then the same T or P again, then E: what comes
before the last symbol must be remembered over the word.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SYMBOLS = "BTSXPVE"

WORD = (
    ("B1",),
    ("T2", "P3"),
    ("S2", "X4"),
    ("T3", "V5"),
    ("X3", "S6"),
    ("P4", "V6"),
    ("E7",),
)
"""Reber's grammar: from each state, the symbols that may come, with equal odds, and where they lead."""

_END = len(WORD)


class Streams(NamedTuple):
    """Symbols side by side, and what may be said of each.

    Attributes
    ----------
    codes : ndarray of int64, (rows, length)
        Places in `SYMBOLS`.
    legal : ndarray of bool, (rows, length, 7)
        Which symbols might have stood there.
    first : ndarray of bool, (rows, length)
        Where a string begins.
    """

    codes: NDArray[np.int64]
    legal: NDArray[np.bool_]
    first: NDArray[np.bool_]

    @property
    def x(self) -> NDArray[np.float32]:
        """What is read: one-hot symbols, all but the last."""
        return np.eye(len(SYMBOLS), dtype=np.float32)[self.codes[:, :-1]]

    @property
    def y(self) -> NDArray[np.int64]:
        """What is to be told: the next ones."""
        return self.codes[:, 1:]


def streams(rows: int, length: int, seed: int) -> Streams:
    """Make ``rows`` streams, each from the beginning of a string."""
    rng = np.random.default_rng(seed)
    made = [_stream(length, rng) for _ in range(rows)]
    return Streams(*(np.array(part) for part in zip(*made, strict=True)))


def strings(given: Streams, rows: slice = slice(None)) -> tuple[Streams, NDArray[np.int64]]:
    """Each whole string in a row of its own, ended by zeros, and how long each is."""
    given = Streams(given.codes[rows], given.legal[rows], given.first[rows])
    cuts = [np.flatnonzero(row) for row in given.first]
    ends = [(row, a, b) for row, cut in enumerate(cuts) for a, b in pairwise(cut.tolist())]
    lengths = np.array([b - a for _, a, b in ends])
    shape = len(ends), lengths.max()
    apart = Streams(
        np.zeros(shape, np.int64), np.zeros((*shape, len(SYMBOLS)), bool), np.zeros(shape, bool)
    )
    for place, (row, a, b) in enumerate(ends):
        for part, whole in zip(apart, given, strict=True):
            part[place, : b - a] = whole[row, a:b]
    return apart, lengths


def _stream(
    length: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    codes, legal, first = [], [], []
    symbols = _symbols(rng)
    for _ in range(length):
        symbol, may, begins = next(symbols)
        codes.append(SYMBOLS.index(symbol))
        legal.append([each in may for each in SYMBOLS])
        first.append(begins)
    return np.array(codes), np.array(legal), np.array(first)


def _symbols(rng: np.random.Generator) -> Iterator[tuple[str, str, bool]]:
    """Symbol by symbol: which, what it might have been, and whether it is a string's first."""
    while True:
        outer = "TP"[rng.integers(2)]
        yield "B", "B", True
        yield outer, "TP", False
        state = 0
        while state < _END:
            ways = WORD[state]
            way = ways[rng.integers(len(ways))]
            yield way[0], "".join(each[0] for each in ways), False
            state = int(way[1])
        yield outer, outer, False
        yield "E", "E", False
