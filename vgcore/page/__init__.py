"""What pages are made of: scripts and a style, written by hand, that they take in as they are; templates.

Each script is a part of one: `script` puts those that are asked for into one scope.

    scale.js     numbers in words, scales with ticks, colours
    draw.js      axes, lines, marks, heatmaps as SVG, which know no record; needs scale.js
    figure.js    a picture with its legend, pointer, keyboard and table; needs draw.js
    records.js   records as `vgcore.reporting` packs them
    explore.js   the report's controls; layers.js, time.js, distributions.js, units.js and course.js draw
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

from vgcore import _extras

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


def template(package: str, name: str, **filters: Callable[..., Any]) -> Any:
    """A template of jinja2 in a package, as are those that it includes; ImportError without jinja2."""
    try:
        import jinja2
    except ImportError as error:
        raise ModuleNotFoundError(_extras.missing("jinja2", "report", "reports need")) from error
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
