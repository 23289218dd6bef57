"""What pages are made of: scripts and a style, written by hand, that they take in as they are; templates.

Each script is a part of one: `script` puts those that are asked for into one scope.

    scale.js     numbers in words, scales with ticks
    looks.js     colours, and what each class of a drawing looks like
    draw.js      drawings: plain trees, which know no record; lines.js and maps.js make them, of lines and of
                 heatmaps and planes
    svg.js       a drawing as SVG, paint.js on a canvas
    elements.js  elements of a page
    figure.js    a picture with its legend, pointer, keyboard and table: in picture.js as SVG, in moving.js on
                 a canvas, drawn anew many times a second, which saving.js makes a file of
    mount.js     a live page in an element; view.js what it shows and asks for: controls (panel.js of one
                 network, panels.js of two; link.js their values as an address), toolbar.js, pictures
                 (gallery.js; sent.js what a frame has of one, choosing.js the controls that a click sets)
                 and what is said (telling.js); asking.js asks for frames, which frames.js unpacks
    post.js      ... and its hosts: post.js, widget.js, site.js (with worker.js) and recorded.js
    records.js   records as `vgcore.reporting` packs them
    explore.js   the report's controls; layers.js, time.js, distributions.js, units.js and course.js draw

Of the style, colours.css and figures.css are everybody's, page.css is of pages that stand by themselves,
live.css of what lives in a shadow root.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from vgcore import _extras

DRAWING = ("scale.js", "looks.js", "draw.js", "lines.js", "maps.js", "svg.js")
FIGURES = ("elements.js", "figure.js")
MOVING = (*DRAWING, "paint.js", *FIGURES, "saving.js", "moving.js")
LIVE = (
    *MOVING,
    *("frames.js", "asking.js", "panel.js", "panels.js", "link.js", "choosing.js", "sent.js"),
    *("gallery.js", "telling.js", "toolbar.js", "view.js", "mount.js"),
)
EXPLORING = (
    *FIGURES,
    *("picture.js", "records.js", "explore.js"),
    *("layers.js", "time.js", "distributions.js", "units.js", "course.js", "begin.js"),
)
EVERYWHERE = ("colours.css", "figures.css")


def script(*names: str) -> str:
    """Parts of the script, one behind the other in a scope of their own."""
    return "\n".join(['(() => {\n"use strict";', *map(_text, names), "})();"])


def module(*names: str, exports: Sequence[str] = ("mount",)) -> str:
    """Parts of the script as one ES module, with the style of live pages as STYLE."""
    held = f"const STYLE = {json.dumps(style('live.css'))};"
    return "\n".join([held, *map(_text, names), f"export {{ {', '.join(exports)} }};\n"])


def style(name: str) -> str:
    """A part of the style, page.css or live.css, behind those that are everybody's."""
    return "\n".join(map(_text, (*EVERYWHERE, name)))


def template(package: str, name: str, **filters: Callable[..., Any]) -> Any:
    """A template of jinja2 in a package, as are those that it includes; ImportError without jinja2."""
    with _extras.needing("jinja2", "reports need", "report"):
        import jinja2
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: _text(name, package)),
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters.update(filters)
    return environment.get_template(name)


def _text(name: str, package: str = __name__) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
