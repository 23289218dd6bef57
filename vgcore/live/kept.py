"""What is kept of a network that is looked into: the arrays of one pass, as far as memory goes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside
from vgcore.model import Sequential, inputs
from vgcore.model.internals import extents

Array = NDArray[Any]

SAMPLES = 500  # that are looked at, at most
MEMORY = 256 * 2**20  # bytes of arrays that so many samples may have
LARGEST = 2 * 2**30  # bytes of arrays that are kept, where those of one sample are more


class Kept:
    """One pass of a network over the first samples, as it is now, whatever becomes of the network.

    Attributes
    ----------
    layers : list of str
    extents : dict of str to Extent
        Of each of them.
    samples, total : int
        How many are looked at, and how many there are.
    lengths : ndarray of int64 or None
        Of those that are looked at.
    now : GradientFlow
        The tracker's record of the pass.
    gates : dict of str to tuple of str
        Of layers with several.
    weights, gradients : dict of str to ndarray
        All parameters, and dL/d of those that are trained, by name.
    """

    def __init__(self, model: Sequential, x: ArrayLike, y: ArrayLike, lengths: ArrayLike | None):
        if not isinstance(model, Sequential):
            raise TypeError(f"model: expected a Sequential, got {_validate.kind(model)}")
        data = inputs.to_train(model.session, x, y, lengths, None)
        self.extents = extents(model.session, data)
        self.layers, self.total = list(self.extents), len(data.x)
        least = 2 if model.session.meets else 1  # statistics of one sample are none
        fitting = max(MEMORY // sum(each.size for each in self.extents.values()), least)
        self.samples = min(self.total, fitting, SAMPLES)
        some = slice(self.samples)
        self.lengths = None if data.lengths is None else data.lengths[some]
        self._given: dict[str, Any] = {
            "x": data.x[some].copy(),
            "y": np.array(np.asarray(y)[some]),
            "lengths": self.lengths,
        }
        self._lock = threading.Lock()
        self._layout = layout = model.layout
        with model.session.turn:
            self.weights: dict[str, Array] = model.state_dict()
            self.now: GradientFlow = model.gradient_flow(**self._given)
            found = layout.copies(model.session.gradients)
            self._model, self._held = model, self._look(model, self.layers[0])
            if len(self._held) < len(self.layers):  # others are looked at later
                self._model = copy.deepcopy(model)
        self.gradients: dict[str, Array] = {name: found[name] for name in layout.trained}
        self.gates = {name: of for name, of in layout.gates.items() if len(of) > 1}
        self._embeds = model.layers[0].vocabulary is not None

    def inside(self, layer: str) -> Inside:
        """What a layer has held; of layers that are not kept it is found by a pass."""
        with self._lock:
            if layer not in self._held:
                self._held = self._look(self._model, layer)
            return self._held[layer]

    def has(self, quantity: str) -> bool:
        """Whether any layer can have an array of this name; "gate": gates."""
        walks = self._layout.declared.walks.values()
        if quantity in ("c", "dc"):
            return any(walk.cell for walk in walks)
        return bool({"gate": self.gates, "dh_direct": walks}.get(quantity, True))

    def matrices(self, layer: str) -> dict[str, str]:
        """Names of a layer's weights that are matrices, by what they are called within it."""
        layout = self._layout
        operation = layout.shown[self.layers.index(layer)]
        return {
            name.rpartition(".")[2].removesuffix("_reverse"): name
            for name, whose in zip(layout.names, layout.operations, strict=True)
            if whose == operation and self.weights[name].ndim > 1
        }

    def by_unit(self, values: Array, layer: str) -> Array:
        """Weights, or their gradient, as (units, inputs)."""
        flat = values.reshape(len(values), -1)
        return flat.T if self._embeds and layer == self.layers[0] else flat

    def _look(self, model: Sequential, layer: str) -> Mapping[str, Inside]:
        return model.internals(**self._given, layers=self._around(layer))

    def _around(self, layer: str) -> list[str]:
        """A layer, and as many beside it as fit in memory."""
        first = last = self.layers.index(layer)
        room = LARGEST - self.samples * self.extents[layer].size
        growing = True
        while growing:
            growing = False
            for place in (first - 1, last + 1):
                if not 0 <= place < len(self.layers):
                    continue
                taken = self.samples * self.extents[self.layers[place]].size
                if taken <= room:
                    room -= taken
                    first, last, growing = min(first, place), max(last, place), True
        return self.layers[first : last + 1]
