"""What draws in a browser: scripts and a style, written by hand, that pages take in as they are.

Each script is a part of one: `script` puts those that are asked for into one scope.

    scale.js     numbers in words, scales with ticks, colours
    draw.js      axes, lines, marks, heatmaps as SVG, which know no record; needs scale.js
    figure.js    a picture with its legend, pointer, keyboard and table; needs draw.js
    records.js   records as `vgcore.reporting` packs them
    explore.js   the report's controls; layers.js, time.js, distributions.js, units.js and course.js draw
"""

from __future__ import annotations

from importlib import resources

DRAWING = ("scale.js", "draw.js")
EXPLORING = (
    *("figure.js", "records.js", "explore.js"),
    *("layers.js", "time.js", "distributions.js", "units.js", "course.js", "begin.js"),
)


def script(*names: str) -> str:
    """Parts of the script, one behind the other in a scope of their own."""
    return "\n".join(['(() => {\n"use strict";', *map(_text, names), "})();"])


def style() -> str:
    """The style of a page."""
    return _text("page.css")


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
