"""What is chosen in the explorer: a layer, one of its arrays, a unit, a timestep, a sample, a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.flow import GradientFlow, Inside
from vgcore.live.kept import Kept

Array = NDArray[Any]

QUANTITIES = {
    "h": "Outputs h",
    "z": "Pre-activations z",
    "gate": "Gate",
    "c": "Cell states c",
    "delta": "Gradient ∂L/∂z",
    "dh": "Gradient ∂L/∂h",
    "dh_direct": "Direct gradient ∂L/∂h",
    "dc": "Gradient ∂L/∂c",
}


@dataclass(frozen=True)
class Chosen:
    """What the controls say, as far as the layer has it; where it has not, the nearest, or the first.

    Attributes
    ----------
    kept : Kept
    flow : GradientFlow or None
        What was recorded while the network trained.
    values : dict
        Of the controls; those that would have a single value there are none of.
    """

    kept: Kept
    flow: GradientFlow | None
    values: Mapping[str, Any]

    @cached_property
    def layer(self) -> str:
        """Name of the layer."""
        return str(self.values["layer"])

    @cached_property
    def field(self) -> str:
        """Of records: what is told of each layer."""
        return str(self.values["field"])

    @cached_property
    def log(self) -> bool:
        """Whether magnitudes are shown, on a logarithmic scale."""
        return bool(self.values["scale"] == "log")

    @cached_property
    def row(self) -> int:
        """Place in the flow of the last step up to the one asked for."""
        if self.flow is None:
            return 0
        steps = self.flow.step
        return int(np.searchsorted(steps, self.values.get("step", steps[-1]), "right")) - 1

    @property
    def recorded(self) -> GradientFlow:
        """What the tracker has told of that step; without a flow, of the pass now."""
        return self.kept.now if self.flow is None else self.flow[self.row]

    @property
    def when(self) -> str:
        """Which step that is, in words."""
        return "now" if self.flow is None else f"at step {self.flow.step[self.row]:,}"

    @cached_property
    def inside(self) -> Inside:
        """What the layer has held."""
        return self.kept.inside(self.layer)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """Gates of the layer, if there are several."""
        return tuple(self.inside.gates) if len(self.inside.gates) > 1 else ()

    @cached_property
    def gate(self) -> str:
        """The gate; "" of a layer without."""
        return _among(self.gates, self.values.get("gate"))

    @cached_property
    def quantities(self) -> list[str]:
        """Which of `QUANTITIES` the layer has."""
        inside = self.inside
        has_gates = {"gate"} if self.gates else set()
        there = {name for name in QUANTITIES if getattr(inside, name, None) is not None}
        return [name for name in QUANTITIES if name in there | has_gates]

    @cached_property
    def quantity(self) -> str:
        """The one that is shown."""
        return _among(self.quantities, self.values["quantity"])

    @cached_property
    def shown(self) -> Array:
        """Its array: (n, units), (n, time, units) or (n, channels, height, width); of the gate, if any."""
        inside, gate = self.inside, self.gate
        if self.quantity == "gate":
            return inside.gates[gate]
        if gate and self.quantity == "delta":
            return inside.dgates[gate]
        if gate and self.quantity == "z":
            return self.of_gates(inside.z)[gate]
        found: Array = getattr(inside, self.quantity)
        return found

    @property
    def title(self) -> str:
        """What is shown, in words."""
        if self.quantity == "gate":
            return f"Gate {self.gate} of {self.layer}"
        gate = f", gate {self.gate}" if self.gate and self.quantity in ("z", "delta") else ""
        return f"{QUANTITIES[self.quantity]} of {self.layer}{gate}"

    @property
    def in_time(self) -> bool:
        """Whether the layer goes through time."""
        return self.shown.ndim == 3

    @property
    def is_image(self) -> bool:
        """Whether what it puts out are images."""
        return self.shown.ndim == 4

    @property
    def units(self) -> int:
        """How many units, or channels, it has."""
        return len(self.shown[0]) if self.is_image else int(self.shown.shape[-1])

    @property
    def unit_word(self) -> str:
        """What a unit is called."""
        return "channel" if self.is_image else "unit"

    @property
    def unit(self) -> int:
        """The unit, or channel."""
        return min(int(self.values.get("unit", 0)), self.units - 1)

    @property
    def times(self) -> int:
        """How many timesteps there are; 0 where it does not go through time."""
        return self.shown.shape[1] if self.in_time else 0

    @property
    def timestep(self) -> int:
        """The timestep; 0 where there are none."""
        return max(min(int(self.values.get("timestep", 0)), self.times - 1), 0)

    @property
    def sample(self) -> int:
        """The sample."""
        return int(self.values.get("sample", 0))

    @property
    def sequence(self) -> int | None:
        """The sample, where the layer goes through time."""
        return self.sample if self.in_time else None

    @property
    def silent(self) -> Array | None:
        """Where (T,) the sample has no timestep, if some end before others."""
        if self.kept.lengths is None or not self.in_time:
            return None
        silent: Array = np.arange(self.times) >= self.kept.lengths[self.sample]
        return silent

    @cached_property
    def matrices(self) -> dict[str, str]:
        """Full names of the layer's matrices of weights."""
        return self.kept.matrices(self.layer)

    @cached_property
    def matrix(self) -> str:
        """The one that is shown; "" of a layer without."""
        return _among(list(self.matrices), self.values.get("weights"))

    def of_gates(self, values: Array | None, axis: int = -1) -> dict[str, Array]:
        """What lies side by side, by gate."""
        if values is None:
            return {}
        return dict(zip(self.gates, np.split(values, len(self.gates), axis), strict=True))

    def ends(self) -> dict[str, Any]:
        """Which values of the controls the layer has."""
        return {
            "unit": {"high": self.units - 1},
            "timestep": {"high": max(self.times - 1, 0)},
            "quantity": {"options": self.quantities},
            "gate": {"options": list(self.gates)},
            "weights": {"options": list(self.matrices)},
        }


def _among(options: Sequence[str], wanted: str | None) -> str:
    """What is wanted, or the first; "" where there are none."""
    return wanted if wanted is not None and wanted in options else next(iter(options), "")
