"""A live page as one file: frames of a grid of settings, recorded, and the script that plays them.

The file holds, as JSON: "page", the frame that describes it; "grid", the controls that move with their
values; "frames", for each of their combinations (the last control moves first) its frames, each behind its
length in 4 bytes, all deflated. Bytes are base64. vgcore/page/recorded.js reads it.
"""

from __future__ import annotations

import math
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from vgcore import _files, _validate
from vgcore.live import front
from vgcore.live.controls import Choice, Condition, Control, Slider, Switch
from vgcore.live.packing import pack
from vgcore.live.page import Live, Settings

SIDES = "A", "B"
_MOST_SETTINGS = 200
_SPEEDS = [("", "10 frames a second"), ("1", "as fast as it goes"), ("slow", "3 frames a second")]
_KEPT = ("pictures", "keys", "states", "verdicts", "marks")  # of a frame
_LENGTH = struct.Struct("<I")
_CLOSEST = 9  # of deflate's levels


@dataclass(frozen=True)
class Moved:
    """A control that moves in a recording: its name there, of which networks it is, its values."""

    name: str
    control: Control
    sides: tuple[int, ...]
    values: list[Any]


def record(
    live: Live, path: _files.Path, over: Mapping[str, Iterable[Any]], frames: int, steps: int | None
) -> None:
    """Write a recording: see `Live.record`."""
    grid = Grid(live, over)
    _validate.integer("frames", frames, minimum=1)
    _files.check_writable(path)
    streams = []
    for told in live.recorded(grid.settings, frames, steps):
        packed = [pack(grid.kept(each)) for each in told]
        stream = b"".join(part for each in packed for part in (_LENGTH.pack(len(each)), each))
        streams.append(_text(zlib.compress(stream, _CLOSEST)))
    page = grid.described()
    data = {
        "page": _text(pack({"page": page})),
        "grid": [(each.name, each.values) for each in grid.moved],
        "frames": streams,
    }
    written = front.alone(page["title"], "recorded.js", data).encode()
    _files.replace(path, lambda file: file.write(written))


class Grid:
    """All combinations of values of some of a page's controls, the others as it begins.

    Attributes
    ----------
    moved : list of Moved
    settings : list of list of dict
        Of each combination, for one network or for two.
    """

    def __init__(self, live: Live, over: Mapping[str, Iterable[Any]]) -> None:
        self._page, self._controls, self._begins = live.described(), live.controls, live.begins()
        if not isinstance(over, Mapping):
            raise TypeError(
                f"over: expected names of controls with lists of values, got {_validate.kind(over)}"
            )
        self.moved = [self._moved(name, values) for name, values in over.items()]
        named = [(each.control.name, side) for each in self.moved for side in each.sides]
        for name, side in named:
            if named.count((name, side)) > 1:
                raise ValueError(
                    f"over: expected each control once, got {name!r} of network {SIDES[side]} twice"
                )
        counts = [len(each.values) for each in self.moved]
        if math.prod(counts) > _MOST_SETTINGS:
            told = " × ".join(map(str, counts))
            raise ValueError(
                f"over: expected at most {_MOST_SETTINGS} settings, got {told} = {math.prod(counts)}"
            )
        for each in self.moved:
            if all(self._when(each.control, side) is None for side in each.sides):
                raise ValueError(
                    f"over: expected controls that count, got {each.name!r}, which does where "
                    f"{', or where '.join(map(_where, each.control.conditions))}"
                )
        self.settings = [
            self._of(values) for values in product(*(each.values for each in self.moved))
        ]

    def described(self) -> dict[str, Any]:
        """What the page is told of itself."""
        scenes = {each["name"]: each for each in self._page.get("scenes", ())}
        scene = scenes.get(self._page.get("scene"), {})
        controls = [*map(self._told, self.moved), *self._fixed()]
        return {
            "title": scene.get("title", self._page["title"]),
            "about": scene.get("lesson", self._page["about"]),
            "controls": controls,
            "begins": [{each["name"]: each["value"] for each in controls}],
            "plays": bool(self._page.get("plays")),
            "speeds": _SPEEDS,
        }

    def kept(self, tree: dict[str, Any]) -> dict[str, Any]:
        """What is kept of a frame: marks are those of the controls that there are; nothing can be cured."""
        kept: dict[str, Any] = {name: tree[name] for name in _KEPT if name in tree}
        if "verdicts" in kept:
            kept["verdicts"] = [{**each, "cures": []} for each in kept["verdicts"]]
        if "states" in kept:
            kept["states"] = [{**each, "seconds": 0.0} for each in kept["states"]]
        if "marks" in kept:
            marks = [
                (each.name, kept["marks"][each.sides[0]].get(each.control.name))
                for each in self.moved
            ]
            kept["marks"] = [{name: mark for name, mark in marks if mark is not None}]
        return kept

    def _moved(self, name: str, values: Iterable[Any]) -> Moved:
        known = {each.name: each for each in self._controls}
        several = len(self._begins) > 1
        own = {
            f"{side}.{each}": (each, (place,))
            for place, side in enumerate(SIDES[: len(self._begins)])
            for each in known
            if several and each not in self._page.get("shared", ())
        }
        every = {each: (each, tuple(range(len(self._begins)))) for each in known}
        plain, sides = {**every, **own}[_validate.one_of("over", name, [*every, *own])]
        control = known[plain]
        found = [
            control.checked(value)
            for value in _validate.items(f"over[{name!r}]", values, "a list of values")
        ]
        if not found:
            raise ValueError(f"over: expected values of {name}, got none")
        once = [*dict.fromkeys(found)]
        return Moved(name, control, sides, sorted(once) if isinstance(control, Slider) else once)

    def _of(self, values: tuple[Any, ...]) -> list[Settings]:
        settings = [dict(each) for each in self._begins]
        for each, value in zip(self.moved, values, strict=True):
            for side in each.sides:
                settings[side][each.control.name] = value
        return settings

    def _when(self, control: Control, side: int) -> list[Condition] | None:
        """With which values of those that move a network's control counts; None if it never does."""
        left = [self._left(each, side) for each in control.conditions]
        if {} in left or not left:
            return []
        return [each for each in left if each is not None] or None

    def _left(self, condition: Condition, side: int) -> Condition | None:
        """What of a condition is for those that move to say; None if it cannot hold."""
        found = {}
        for name, allowed in condition.items():
            moved = next(
                (each for each in self.moved if each.control.name == name and side in each.sides),
                None,
            )
            if moved is None:
                if self._begins[side][name] not in allowed:
                    return None
            elif not set(moved.values) & set(allowed):
                return None
            else:
                found[moved.name] = [*allowed]
        return found

    def _told(self, moved: Moved) -> dict[str, Any]:
        """What the page is told of a control that moves."""
        control, values, begin = (
            moved.control,
            moved.values,
            self._begins[moved.sides[0]][moved.control.name],
        )
        named: dict[str, Any] = {
            "name": moved.name,
            "label": self._label(control, moved.sides),
            "when": self._when(control, moved.sides[0]) or [],
            "group": "",
        }
        if len(values) == 1:
            return self._as_text(control, moved.sides, named)
        if isinstance(control, Slider):
            nearest = min(values, key=lambda value: abs(value - begin))
            return replace(control, **named, values=values, value=nearest, step=None).shown()
        if isinstance(control, Switch):
            return replace(control, **named, value=begin).shown()
        value = begin if begin in values else values[0]
        texts = {each: _words(control, each) for each in values}
        return Choice(options=texts, value=value, help=control.help, **named).shown()

    def _fixed(self) -> list[dict[str, Any]]:
        """What the page is told of controls that do not move: their values."""
        told = []
        for control in self._controls:
            left = [
                side
                for side in range(len(self._begins))
                if not any(each.control is control and side in each.sides for each in self.moved)
            ]
            counts = {
                side: when for side in left if (when := self._when(control, side)) is not None
            }
            alike = {
                repr((self._begins[side][control.name], when)) for side, when in counts.items()
            }
            sides = [tuple(counts)] if len(alike) == 1 else [(side,) for side in counts]
            for some in sides:
                name = ".".join([*(SIDES[side] for side in some), control.name])
                named = {"name": name, "label": self._label(control, some), "when": counts[some[0]]}
                told.append(self._as_text(control, some, {**named, "group": "Fixed"}))
        return told

    def _as_text(
        self, control: Control, sides: tuple[int, ...], named: dict[str, Any]
    ) -> dict[str, Any]:
        value = self.settings[0][sides[0]][control.name]
        return {
            **control.shown(),
            **named,
            "kind": "fixed",
            "value": value,
            "text": _words(control, value),
        }

    def _label(self, control: Control, sides: tuple[int, ...]) -> str:
        """A control's label, with whose it is."""
        whole = len(sides) == len(self._begins)
        return control.label if whole else f"{control.label}, {SIDES[sides[0]]}"


def _where(condition: Condition) -> str:
    """When a condition holds, for people."""
    return " and ".join(
        f"{name} is {' or '.join(map(str, some))}" for name, some in condition.items()
    )


def _words(control: Control, value: Any) -> str:
    """A value of a control, for people."""
    if isinstance(control, Choice):
        return str(dict(control.options)[value])  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:.4g}"


def _text(data: bytes) -> str:
    return b64encode(data).decode()
