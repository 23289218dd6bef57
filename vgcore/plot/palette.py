"""Colours that neighbours are told apart by, on white paper and on a dark slide.

What is no data is drawn in the text's own colour of ``matplotlib.rcParams``, or paler, so that a picture
follows the user's style.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Look = dict[str, Any]
"""Colour, marker and line style, as `Axes.plot` takes them."""

# From cold to warm, for first to last. Paul Tol's indigo and wine around colours of Okabe and Ito: of no two
# neighbours does any kind of colour vision make one. The second of each is for a dark ground.
COLOURS = "#332288", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#882255"
_COLOURS_ON_DARK = "#8c66fe", "#1f93c8", "#b5e3fb", "#10d08c", "#fdbb46", "#f45a61", "#e6c0ea"
HUES = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
_HUES_ON_DARK = "#4ba3e3", "#f07c3e", "#2bc49a", "#eaa0cb", "#f0c04a", "#a4dbf8"
_MARKERS = "osDP*hp"  # none that stands for what an axis cannot show
_LINES = "-", "--", "-.", ":"
MOST_TOLD = 10  # lines that markers and dashes tell apart in a print without colours


def ink() -> str:
    """The colour of text, as hexadecimal digits."""
    from matplotlib import rcParams
    from matplotlib.colors import to_hex

    return to_hex(rcParams["text.color"])


def on_dark() -> bool:
    """Whether text is light, and so its ground dark."""
    from matplotlib.colors import to_rgb

    return bool(np.dot(to_rgb(ink()), (0.2126, 0.7152, 0.0722)) > 0.5)


def ground() -> str:
    """The colour behind the lines."""
    from matplotlib import rcParams
    from matplotlib.colors import to_hex, to_rgba

    face = to_rgba(rcParams["axes.facecolor"])
    if face[3] == 0:
        return "#000000" if on_dark() else "#ffffff"
    return to_hex(face)


def faint(share: float) -> str:
    """The ground with so much of the ink in it."""
    return mixed(ground(), ink(), share)


def mixed(one: Any, other: Any, share: float) -> str:
    """A colour on the way from one to another."""
    from matplotlib.colors import to_hex, to_rgb

    first, second = np.array(to_rgb(one)), np.array(to_rgb(other))
    red, green, blue = (1 - share) * first + share * second
    return to_hex((float(red), float(green), float(blue)))


def colours() -> tuple[str, ...]:
    """From cold to warm."""
    return _COLOURS_ON_DARK if on_dark() else COLOURS


def hue(family: int) -> str:
    """The colour of a flow among others."""
    hues = _HUES_ON_DARK if on_dark() else HUES
    return hues[family % len(hues)]


def looks(count: int, hue: Any = None, family: int = 0) -> list[Look]:
    """How to draw ``count`` ordered lines so that neighbours differ in colour, marker and dashes.

    Parameters
    ----------
    count : int
    hue : color, optional
        One for all of them, from one that fades into the ground to one that stands out.
    family : int
        Which flow they are of: in one hue, its lines have one kind of dashes, and its first line the
        marker that comes next.
    """
    from matplotlib import rcParams

    named = colours()
    told = count <= MOST_TOLD
    if hue is not None:
        chosen = _shades(hue, count)
    elif count <= len(named):
        chosen = [named[place] for place in few(len(named), count)]
    else:
        chosen = many(count)
    return [
        {
            "color": colour,
            "marker": _MARKERS[(place + family) % len(_MARKERS)],
            "linestyle": _LINES[dashes % len(_LINES)],
            "markersize": 0.75 * rcParams["lines.markersize"],
            "linewidth": rcParams["lines.linewidth"] * (1.0 if told else 0.67),
        }
        for place, colour in enumerate(chosen)
        for dashes in [family if hue is not None or not told else place]
    ]


def many(count: int) -> list[str]:
    """So many colours, from cold to warm, that the ground does not swallow."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    ends = (0.2, 1.0) if on_dark() else (0.0, 0.9)
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(*ends, count))]


def _shades(hue: Any, count: int) -> list[str]:
    """From pale to dark, or on a dark ground from dark to pale; the hue itself, where it is one."""
    towards, faintest = ("#ffffff", "#000000"), -0.55
    if on_dark():
        towards, faintest = ("#000000", "#ffffff"), -0.45
    depths = np.linspace(faintest, 0.35, count) if count > 1 else np.zeros(1)
    return [mixed(hue, towards[int(depth > 0)], abs(depth)) for depth in depths]


def few(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the indices below ``count``: first, last and some evenly between."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, limit)).round())]
