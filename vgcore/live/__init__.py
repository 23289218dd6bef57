"""Live pages: a network retrains while a slider moves, in a notebook, beside Python or in a browser alone."""

from vgcore.live.controls import Choice, Slider, Switch, Text
from vgcore.live.page import Page
from vgcore.live.pictures import heat, lines, plane

__all__ = ["Choice", "Page", "Slider", "Switch", "Text", "heat", "lines", "plane"]
