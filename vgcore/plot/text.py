"""Texts that fit: how large they are, names cut in the middle, and labels broken between words."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from typing import Any

CHARACTER = 0.6  # of a font's size: about how wide one is, in the mean
IN_TITLE = 32  # characters of a name
LINE = 1.2  # of a font's size: from one line of a text to the next
_PARTS = re.compile(r"(?<=[._/-])(?=[^._/-])")  # between the parts of a name
_WHOLE = 16  # characters of a part that is not broken, however narrow the line
_HEAD = 3  # characters of a part that is cut, at least
_FEW = 3  # parts of a name that can be cut one by one


def points(size: Any) -> float:
    """A size of matplotlib's, such as "small", in points."""
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=size).get_size_in_points())


@functools.lru_cache(maxsize=4096)  # a picture asks several times, at every draw
def width(text: str, font: Any, *, mathematics: bool = False) -> float:
    """How many points a text of one line is wide in a font, a `FontProperties`."""
    from matplotlib.textpath import text_to_path

    return float(text_to_path.get_text_width_height_descent(text, font, mathematics)[0])


def mathematical(label: str) -> bool:
    """Whether a label is one of matplotlib's formulas; a layer's name may hold a $, too."""
    return "$" in label and "\\" in label


def length(label: str) -> int:
    """About how many characters a label shows, of which a formula's source has more."""
    if not mathematical(label):
        return len(label)
    return len(re.sub(r"[$\\_^{}]", "", re.sub(r"\\[a-zA-Z]+ ?", "x", label)))


def shortened(names: Sequence[str], most: int) -> list[str]:
    """Names of at most ``most`` characters, cut in the middle such that no two become one."""
    long = list(dict.fromkeys(name for name in names if len(name) > most))
    if not long:
        return list(names)
    short = {name for name in names if len(name) <= most}
    for cuts in (
        [_squeezed(name, most) for name in long],
        [_cut(name, most) for name in long],
        _windows(long, most),
        _numbered(long, most),
    ):
        if len(short.union(cuts)) == len(short) + len(long):
            break
    found = dict(zip(long, cuts, strict=True))
    return [found.get(name, name) for name in names]


def short(name: str) -> str:
    """A name as a title holds it."""
    return shortened([name], IN_TITLE)[0]


def _cut(name: str, most: int) -> str:
    """A long name without its middle."""
    head = most // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def _squeezed(name: str, most: int) -> str:
    """A long name of a few parts, the longest of which are cut but for their numbers."""
    parts = _PARTS.split(name)
    room = [len(part) for part in parts]
    least = [min(len(part), _HEAD + 1 + len(_ending(part))) for part in parts]
    if not 1 < len(parts) <= _FEW or sum(least) > most:
        return _cut(name, most)
    while sum(room) > most:
        room[max(range(len(parts)), key=lambda place: room[place] - least[place])] -= 1
    shown = zip(parts, room, strict=True)
    return "".join(
        part if len(part) == size else f"{part[: size - 1 - len(_ending(part))]}…{_ending(part)}"
        for part, size in shown
    )


def _ending(part: str) -> str:
    """The number that a part of a name ends in, and what parts it from the next."""
    return part[len(part.rstrip("._/-").rstrip("0123456789")) :]


def _windows(names: Sequence[str], most: int) -> list[str]:
    """Of long names that begin and end alike what lies around their difference, from where a part begins."""
    begin, end = _alike(names), _alike([name[::-1] for name in names])
    shown = []
    for name in names:
        last = max(len(name) - end, begin + 1)
        starts = [place.start() for place in _PARTS.finditer(name) if place.start() <= begin]
        first = starts[-1] if starts else 0
        if last - first > most - 2:  # the part is too long: its difference in the middle
            first = (begin + last) // 2 - (most - 2) // 2
        first = min(max(first, 0), len(name) - (most - 2))
        after = "…" if first + most - 2 < len(name) else ""
        shown.append(f"…{name[first : first + most - 2]}{after}")
    return shown


def _alike(names: Sequence[str]) -> int:
    """With how many characters all begin."""
    return sum(1 for _ in takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False)))


def _numbered(names: Sequence[str], most: int) -> list[str]:
    """Long names that nothing else tells apart."""
    width = most - 2 - len(str(len(names)))
    return [f"{name[:width]}…{number}" for number, name in enumerate(names, 1)]


def fitted(labels: Sequence[str], most: int) -> list[str]:
    """Labels of lines of about ``most`` characters: of some words on three, of one cut in the middle."""
    words = [label for label in labels if " " in label and not mathematical(label)]
    names = [label for label in labels if " " not in label and not mathematical(label)]
    cut = dict(zip(words, shortened(words, 3 * most), strict=True))
    cut |= dict(zip(names, shortened(names, most), strict=True))
    return [broken(cut[label], most) if label in cut else label for label in labels]


def broken(label: str, most: int) -> str:
    """A label on lines of about ``most`` characters, as few and as even as can be.

    It is broken at spaces and between the parts of a name; within a part only where that alone is long.
    """
    joined = " ".join(re.sub(r"(?<=[._/-])\n", "", label).split())
    if len(joined) <= most:
        return label
    lines = _filled(joined, most)
    for width in range(most - 1, 0, -1):
        narrower = _filled(joined, width)
        if len(narrower) > len(lines) or max(map(len, narrower)) > max(map(len, lines)):
            break
        lines = narrower
    return "\n".join(lines)


def _filled(label: str, most: int) -> list[str]:
    """Lines that each hold as much as they can."""
    lines = [""]
    for word in re.findall(r"\S+ ?", label):
        for part in _PARTS.split(word):
            if lines[-1] and len((lines[-1] + part).rstrip()) > most:
                lines.append("")
            lines[-1] += part
            while len(lines[-1].rstrip()) > max(most, _WHOLE):
                lines[-1:] = [lines[-1][: max(most, _WHOLE)], lines[-1][max(most, _WHOLE) :]]
    return [line.rstrip() for line in lines]


def strided(length: int, stride: int) -> list[list[int]]:
    """Every so manieth of some places and the last one: with all before it, and without the last of these."""
    every, last = list(range(0, length, stride)), length - 1
    if every[-1] == last:
        return [every]
    closer = [[*every, last]] if 2 * (last - every[-1]) > stride else []
    return [*closer, [*every[:-1], last] if len(every) > 1 else [*every, last]]


def strides() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, ..."""
    for power in count():
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def evenly(length: int, most: int) -> list[int]:
    """At most ``most`` of some places, at least two: the first, the last, and evenly some between."""
    if length < 2:
        return list(range(length))
    for stride in strides():
        for places in strided(length, stride):
            if len(places) <= max(most, 2):
                return places
    raise AssertionError  # strides go on
