"""Live pages: a network retrains while a slider moves, in a notebook, beside Python or in a browser alone."""

from vgcore.live.controls import Choice, Slider, Switch, Text
from vgcore.live.explorer import explore
from vgcore.live.own import Page
from vgcore.live.pictures import heat, lines, plane
from vgcore.live.playing import playground
from vgcore.live.scenes import SCENES
from vgcore.live.site import export

__all__ = [
    "SCENES",
    "Choice",
    "Page",
    "Slider",
    "Switch",
    "Text",
    "explore",
    "export",
    "heat",
    "lines",
    "plane",
    "playground",
]
