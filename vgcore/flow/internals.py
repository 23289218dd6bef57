"""Internals: what one pass leaves inside a network, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _html
from vgcore.flow.record import ByWalk

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Inside:
    """What one layer has held in one pass; None where it has no such thing.

    Of n samples, arrays are (n, units), (n, time, units) or (n, channels, height, width), as the layer's
    outputs are; of a recurrent layer (n, time, units) throughout, also where its output is the last timestep
    alone. What lies behind a sample's length is NaN.

    Attributes
    ----------
    name : str
    h : ndarray
        Outputs; of a recurrent layer its hidden states.
    z : ndarray or None
        Pre-activations: what the activation is applied to. Of a layer with gates those of all of them side by
        side, (..., gates * units), in the order of ``gates``.
    delta : ndarray or None
        dL/dz, laid out as z; of a layer without an activation dL/dh. Its L2 norm is the tracker's ``delta``.
    dh : ndarray or None
        dL/dh; of a recurrent layer the total dL/dh_t, what comes back from later timesteps included. None of
        a last layer whose loss makes dL/dz at once, as cross-entropies do.
    dh_direct : ndarray or None
        Of a recurrent layer: the part of it that comes from the layers above at timestep t alone.
    c, dc : ndarray or None
        Cell states of an LSTM, and the total dL/dc_t.
    gates, dgates : dict of str to ndarray
        Of each gate its value, behind its activation, and dL/dz of it: i, f, g, o of an LSTM, r, z, n of a
        GRU, z of an RNN (whose value is h), g and t of a highway layer. Empty for other layers.
    skip, body : ndarray or None
        Of a block with a skip connection: the gradients that came to its input through either. (n, ...) as
        the input is.
    """

    name: str
    h: Array
    z: Array | None = None
    delta: Array | None = None
    dh: Array | None = None
    dh_direct: Array | None = None
    c: Array | None = None
    dc: Array | None = None
    gates: dict[str, Array] = field(default_factory=dict)
    dgates: dict[str, Array] = field(default_factory=dict)
    skip: Array | None = None
    body: Array | None = None

    def arrays(self) -> dict[str, Array]:
        """What there is of arrays, by name."""
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in given if isinstance(value, np.ndarray)}

    def __repr__(self) -> str:
        """Name the arrays that there are, and their shapes."""
        shown = [f"{name} {value.shape}" for name, value in self.arrays().items()]
        shown += [f"{name} of {', '.join(of)}" for name, of in self._by_gate() if of]
        return f"<Inside of {self.name}: {'; '.join(shown)}>"

    def _by_gate(self) -> list[tuple[str, dict[str, Array]]]:
        return [("gates", self.gates), ("dgates", self.dgates)]


class Internals(Mapping[str, Inside]):
    """What one pass leaves inside a network: an `Inside` of each layer, by the tracker's names.

    Attributes
    ----------
    layers : list of str
        Input to output; a bidirectional layer is two, "name.forward" and "name.backward".
    output : ndarray
        What the network puts out.
    loss : float or None
        None without targets, as all gradients are.
    dx : ndarray or None
        dL/dx, of the shape of x; None where x are integers: see ``dh`` of their Embedding.
    lengths : ndarray of int64, (n,), or None
        Valid timesteps of each sample, where they were given.
    align : {"start", "end"}
        Which timesteps of samples of several lengths stand below each other: the first, or the last.
    """

    def __init__(
        self,
        layers: Mapping[str, Inside],
        *,
        output: Array,
        loss: float | None,
        dx: Array | None,
        lengths: Array | None,
        align: str,
    ) -> None:
        self._layers = ByWalk(layers)
        self.output, self.loss, self.dx = output, loss, dx
        self.lengths, self.align = lengths, align

    @property
    def layers(self) -> list[str]:
        """Names of the layers, input to output."""
        return list(self._layers)

    def __getitem__(self, name: str) -> Inside:
        """What a layer has held; KeyError that names those there are."""
        inside: Inside = self._layers[name]
        return inside

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the layers, input to output."""
        return iter(self._layers)

    def __len__(self) -> int:
        """Count the layers."""
        return len(self._layers)

    def __getattr__(self, name: str) -> Any:
        """Say how a layer is had."""
        if name in vars(self).get("_layers", ()):
            raise AttributeError(f"{name} is a layer: internals[{name!r}]")
        return object.__getattribute__(self, name)  # raises as it did

    def _title(self) -> str:
        loss = "no targets, so no gradients" if self.loss is None else f"loss {self.loss:.4g}"
        return f"Internals of {len(self.output)} samples in {len(self)} layers; {loss}"

    def __repr__(self) -> str:
        """Say of how much they are."""
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        """Show which arrays there are in a notebook."""
        rows = [
            (name, key, str(value.shape), float(_root_mean_square(value)))
            for name, inside in self.items()
            for key, value in inside.arrays().items()
        ]
        return _html.table(self._title(), ("layer", "array", "shape", "root mean square"), rows)


def _root_mean_square(values: Array) -> Any:
    """Of what is there, in double; NaN of nothing."""
    there = values[~np.isnan(values)].astype(np.float64)
    return np.sqrt(np.mean(there**2)) if there.size else np.nan
