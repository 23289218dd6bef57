"""Factors over layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vgcore.diagnosis.causes.steps import Array, Path, Step, root_mean_square, there
from vgcore.diagnosis.finding import Factor
from vgcore.diagnosis.network import has_weights
from vgcore.flow import Inside, Internals
from vgcore.layers import Bidirectional, Highway, Parallel, Residual
from vgcore.layers.base import Layer
from vgcore.layers.normalisation import Normalisation
from vgcore.layers.recurrent import Recurrent, Walking
from vgcore.model import Sequential


def over_layers(model: Sequential, internals: Internals) -> tuple[Factor, ...]:
    """By what each layer multiplies the gradient, from the loss back.

    One factor for each layer with a matrix of weights, and for each block: ``total`` is the root mean square
    of its delta over that of the one above it. Root mean squares, and not norms, because a norm grows with
    the number of units: with He's or Xavier's start a layer that is twice as wide as the one above has a
    norm larger by sqrt(2), though each unit gets as much gradient.

    The gradient is followed from the delta above to the delta below, and each step is one part's, so the
    product of parts is the total:

    ========== ==========================================================================================
    weights    from dL/dz of a layer to dL/dh of what is below it: W^T; of a convolution the sums over
               patches, of a recurrent layer W_ih^T. Also what comes back to it through time
               (`over_time` takes that apart), the gate of a `Residual`, and the whole of a `Parallel`.
    slopes     from dL/dh to dL/dz: the activation's slope, as it weights this gradient, and of gates
               the other factor, too. Also all else without weights that is in between: pooling, dropout,
               noise, `PReLU`; `Flatten` and `Reshape`, which are exactly 1.
    norms      from dL/dz to dL/dx of `BatchNorm`, `LayerNorm`, `RMSNorm`, `GroupNorm`, `InstanceNorm`.
    skips      of a block with a skip connection: the gradient at its input, body and skip added, over
               that of the body alone. Of a body that brings nothing all is the skip's.
    ========== ==========================================================================================

    Layers inside a block have no factor of their own: what they do is in the factor of the layer below the
    block. The last layer's factor is from dL/dh to dL/dz. It has none where the two are one, or where the
    loss makes dL/dz at once, as cross-entropies do.

    Parameters
    ----------
    model : Sequential
    internals : Internals
        Of that model, all layers, with targets.

    Returns
    -------
    tuple of Factor
        0 where the gradient becomes 0, NaN where it was 0 before or is not finite.

    Raises
    ------
    ValueError
        If there are no gradients in ``internals``.
    """
    return _Back(internals).through_all(model.layers)


class _Back:
    """Goes back through layers; ``next_step`` is what the step to the place that comes next is."""

    def __init__(self, internals: Internals) -> None:
        if internals.loss is None:
            raise ValueError(
                "internals: expected those of a pass with targets, got one without gradients"
            )
        self._internals = internals
        self._factors: list[Factor] = []
        self._path: Path | None = None
        self._next: Step = "weights"
        self._ended = False  # whether the last layer lies behind

    def through_all(self, layers: Sequence[Layer]) -> tuple[Factor, ...]:
        """The factors of a model's layers."""
        self._through(layers, "", trunk=True)
        return tuple(self._factors)

    def _size(self, *arrays: Array | None) -> float | None:
        """The root mean square; None where there are no arrays. Padding is left out."""
        known = [array for array in arrays if array is not None]
        if not known:
            return None
        padded = self._internals.lengths is not None
        return root_mean_square(
            *(
                array[there(self._internals, array)] if padded and array.ndim == 3 else array
                for array in known
            )
        )

    def _go(self, size: float | None, step: Step | None = None) -> None:
        """Go on to a gradient of this size, or begin there; None is no place."""
        if size is None:
            return
        if self._path is None:
            self._path = Path(size)
        else:
            self._path.go(size, step or self._next)

    def _end(self, name: str, trunk: bool) -> None:
        """A layer's delta: here a factor ends, and the next begins."""
        if not trunk or self._path is None:
            return
        if self._ended or self._path.moved:
            self._factors.append(self._path.factor(name))
        self._ended = True
        self._path = Path(self._path.size)

    def _through(self, layers: Iterable[Layer], prefix: str, *, trunk: bool) -> None:
        for layer in reversed([*layers]):
            name = f"{prefix}{layer.name}"
            if isinstance(layer, Residual):
                self._residual(layer, name, trunk)
            elif isinstance(layer, Walking) and layer.layers:
                self._through(layer.layers, f"{name}.", trunk=trunk)
            elif isinstance(layer, Recurrent | Bidirectional):
                self._recurrent(layer, name, trunk)
            else:
                self._plain(layer, name, trunk)

    def _plain(self, layer: Layer, name: str, trunk: bool) -> None:
        inside = self._internals[name]
        self._go(self._size(inside.dh))
        self._go(self._size(inside.delta), "slopes")
        weighty = has_weights(layer)
        if weighty or isinstance(layer, Parallel):
            self._end(name, trunk)
            self._next = "weights"
        else:
            self._next = "norms" if isinstance(layer, Normalisation) else "slopes"
        if isinstance(layer, Highway):
            self._skip(inside)

    def _skip(self, inside: Inside) -> None:
        """Through a block's body to its input, and there on to what the skip adds."""
        self._go(self._size(inside.body))
        self._next = "skips"

    def _residual(self, layer: Residual, name: str, trunk: bool) -> None:
        inside = self._internals[name]
        self._go(self._size(inside.dh))
        self._go(self._size(inside.delta), "slopes")
        self._end(name, trunk)
        self._next = "weights"
        if self._size(inside.body) != 0:
            self._through(layer.layers, f"{name}.", trunk=False)
            self._skip(inside)
        else:
            self._next = "skips"

    def _recurrent(self, layer: Recurrent | Bidirectional, name: str, trunk: bool) -> None:
        """From what the layers above bring to all that comes back through time, and on to dL/dz."""
        sides = [f"{name}{walk.suffix}" for walk in layer.walks()]
        seen = [self._internals[side] for side in sides]
        one = layer.forward_layer if isinstance(layer, Bidirectional) else layer
        direct = [each.dh_direct for each in seen]
        if not one.return_sequences:
            direct = [self._last_state(array) for array in direct]
        self._go(self._size(*direct))
        self._go(self._size(*(each.dh for each in seen)), "weights")
        self._go(self._size(*(each.delta for each in seen)), "slopes")
        self._end(name, trunk)
        self._next = "weights"

    def _last_state(self, direct: Array | None) -> Array | None:
        """(n, units) of (n, time, units) that is 0 but for one timestep."""
        if direct is None:
            return None
        valid = there(self._internals, direct)[:, :, np.newaxis]
        state: Array = np.where(valid, direct, 0).sum(axis=1)
        return state
