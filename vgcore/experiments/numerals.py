"""Numbers in words, English and German: pairs of sentences of any length that need no file.

In German the units stand before the tens and all is one word, "vierundzwanzig"; here its parts are words,
"vier und zwanzig", so that "twenty four" is translated word by word in another order.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from vgcore import _extras
from vgcore.experiments.base import Meter, silent

_JOINTS = "ein", "eine", "und", "hundert", "tausend", "Million", "Millionen"


def english(number: int) -> str:
    """Its words, "one hundred and twenty four"; ImportError without num2words."""
    return re.sub("-|, ", " ", _num2words()(number))


def pairs(count: int, digits: int, seed: int, meter: Meter = silent) -> list[tuple[str, str]]:
    """So many numbers in English and in German, in order.

    Parameters
    ----------
    count : int
        No more than a tenth of the numbers that there are.
    digits : int, 1 to 9
        That the largest ones have. Numbers of each length are drawn equally often, until there are no more.
    seed : int
    """
    rng = np.random.default_rng(seed)
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        length = int(rng.integers(1, digits, endpoint=True))
        drawn[int(rng.integers(10 ** (length - 1) if length > 1 else 0, 10**length))] = None
    german, parts = _num2words(), _parts()
    written = []
    for number in sorted(drawn):
        written.append((english(number), " ".join(parts.findall(german(number, lang="de")))))
        if len(written) % 1_000 == 0 or len(written) == count:
            meter("numbers in words", len(written), count)
    return written


def _parts() -> re.Pattern[str]:
    """The words that German numbers are made of, the longest first: "siebzehn" is not "sieb" and "zehn"."""
    german = _num2words()
    simple = (german(number, lang="de") for number in (*range(21), *range(30, 100, 10)))
    return re.compile("|".join(sorted({*simple, *_JOINTS}, key=len, reverse=True)))


def _num2words() -> Any:
    with _extras.needing("num2words", "numbers in words need", "demo"):
        from num2words import num2words
    return num2words
