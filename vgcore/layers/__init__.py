"""The layers; one file per kind."""

from vgcore.layers.base import Layer
from vgcore.layers.dense import Dense

__all__ = ["Dense", "Layer"]
