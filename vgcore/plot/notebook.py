"""Figures that a notebook shows, each once."""

from __future__ import annotations

import io

import matplotlib
from matplotlib.figure import Figure


class Shown(Figure):
    """A figure without pyplot, which alone would tell a notebook how to show one."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", bbox_inches="tight")  # as a notebook's own
        return file.getvalue()


class ShownOnce(Figure):
    """A figure of pyplot that may be the value of a notebook's cell.

    A notebook shows the value of a cell's last line, and then the figures that are still open in pyplot.
    """

    def _ipython_display_(self) -> None:
        """Take the figure from pyplot, for it is being shown, and let IPython show it as any other."""
        if "inline" in matplotlib.get_backend():  # others keep a window open
            from matplotlib import pyplot

            pyplot.close(self)
        raise NotImplementedError  # IPython's sign for going on as if this method were not there
