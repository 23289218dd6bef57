"""Theory of recurrent layers at the start."""

from __future__ import annotations

from vgcore.layers.base import Layer
from vgcore.theory.rules import Rule

RULES: list[tuple[type[Layer], Rule]] = []
