"""Runs of Weights & Biases."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _extras, _validate
from vgcore.exchange.loggers.logger import TOLD, Array, Logger, check_fields, png, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vgcore.model import Sequential


class Wandb(Logger):
    """Tell a training's numbers, histograms and pictures to Weights & Biases.

    What is told, and under which names, is said of `Logger`; the x axis is "step", which may lie behind what
    the run was told before. A run that is active is told; else a new one is made, which ends with the
    training, and has the network's settings in its configuration.

    Parameters
    ----------
    project : str, optional
        That a new run belongs to.
    fields : iterable of str
        Fields of the flow that are told layer by layer.
    pictures : bool
        Draw the flow when training ends, which needs matplotlib.
    **options
        Further arguments of ``wandb.init`` for a new run: ``mode="offline"``, ``name=``, ``dir=``.
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        fields: Iterable[str] = TOLD,
        pictures: bool = True,
        **options: Any,
    ) -> None:
        self.project = None if project is None else _validate.name("project", project)
        self.fields = check_fields(fields)
        self.pictures = _validate.boolean("pictures", pictures)
        self.options = options
        self._run: Any = None
        self._mine = False

    def for_model(self, place: int) -> Wandb:
        """One of its own; several runs at once need ``reinit="create_new"`` among the options."""
        return Wandb(self.project, fields=self.fields, pictures=self.pictures, **self.options)

    def open(self, model: Sequential) -> None:
        """Begin a run, or go into the one there is."""
        wandb = _wandb()
        several = "reinit" in self.options
        self._mine = several or wandb.run is None
        self._run = wandb.init(project=self.project, **self.options) if self._mine else wandb.run
        if self._mine:
            self._run.config.update(settings(model))
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def close(self, complete: bool) -> None:
        """End the run, if it is its own."""
        if self._mine:
            self._run.finish(exit_code=0 if complete else 1)
        self._run = None

    def log(self, step: int, name: str, value: float) -> None:
        """Tell a number."""
        self.log_all(step, {name: value})

    def log_all(self, step: int, values: Mapping[str, Any]) -> None:
        """Tell numbers of one step."""
        self._run.log({"step": step, **values})

    def log_histogram(self, step: int, name: str, edges: Array, counts: Array) -> None:
        """Tell a histogram."""
        wandb = _wandb()
        bins = -(-len(counts) // wandb.Histogram.MAX_LENGTH)  # that one of theirs holds
        first = range(0, len(counts), bins)
        merged = np.add.reduceat(counts, first), np.append(edges[first], edges[-1])
        self.log_all(step, {name: wandb.Histogram(np_histogram=merged)})

    def log_picture(self, step: int, name: str, figure: Figure) -> None:
        """Tell a picture."""
        from PIL import Image  # there with matplotlib; of a figure wandb asks for pyplot

        picture = Image.open(io.BytesIO(png(figure)))
        self.log_all(step, {f"pictures/{name}": _wandb().Image(picture)})


def _wandb() -> Any:
    with _extras.needing("wandb", "logs for Weights & Biases need"):
        import wandb
    return wandb
