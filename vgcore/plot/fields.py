"""What a field is called, on which axis it stands, and where the record has no value of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Field(NamedTuple):
    title: str
    axis: str
    log: bool = True
    guide: float | None = None  # a value to look for, by a common rule
    nothing: str = "zero"  # what a log axis calls 0, of `vgcore.plot.marks.MARKS`

    @property
    def share(self) -> bool:
        """Whether it goes from 0 to 1."""
        return self.axis.startswith("share")


FIELDS = {
    "delta": Field("Error signal", r"error signal  $\|\partial L/\partial z\|_2$"),
    "delta_skip": Field(
        "Gradient through the skips", r"$\|\partial L/\partial x\|_2$ through the skip"
    ),
    "delta_body": Field(
        "Gradient through the bodies", r"$\|\partial L/\partial x\|_2$ through the body"
    ),
    "weight_grad": Field("Gradient of the weights", r"$\|\partial L/\partial W\|_2$"),
    "bias_grad": Field("Gradient of the biases", r"$\|\partial L/\partial b\|_2$"),
    "weight_grad_applied": Field(
        "Gradient of the weights, as applied", r"applied $\|\partial L/\partial W\|_2$"
    ),
    "bias_grad_applied": Field(
        "Gradient of the biases, as applied", r"applied $\|\partial L/\partial b\|_2$"
    ),
    "weight_norm": Field("Size of the weights", r"$\|W\|_2$"),
    "update_ratio": Field("Update of the weights", r"$\|\Delta W\|_2\,/\,\|W\|_2$", guide=1e-3),
    "activation_mean": Field("Mean of the outputs", "mean over samples and units", log=False),
    "activation_std": Field("Spread of the outputs", "standard deviation", log=False),
    "saturated": Field("Saturated outputs", "share of outputs, 0 to 1", log=False),
    "dead": Field("Dead units", "share of units, 0 to 1", log=False),
}
STEP_FIELDS = {"loss": Field("Loss", "loss of the minibatch")}
TIME_FIELDS = {
    "time": Field("Gradient of the hidden state", r"$\|\partial L/\partial h_t\|_2$"),
    "time_direct": Field(
        "Gradient of the hidden state, direct part", r"direct $\|\partial L/\partial h_t\|_2$"
    ),
    "time_cell": Field("Gradient of the cell state", r"$\|\partial L/\partial c_t\|_2$"),
    "time_gate": Field("Gradient of gate {}", r"$\|\partial L/\partial z_t\|_2$"),
    "time_saturated": Field("Saturation of gate {}", "share of values, 0 to 1", log=False),
}
UNIT_FIELDS = {
    "unit_delta": Field(
        "Error signal of each unit", r"$\|\partial L/\partial z\|_2$ over the batch"
    ),
    "unit_saturated": Field("Saturation of each unit", "share of samples, 0 to 1", log=False),
    "unit_dead": Field("Samples for which a unit is dead", "share of samples, 0 to 1", log=False),
    "unit_weight": Field("Size of each unit's weights", r"$\|w\|_2$ of incoming weights"),
}


def present(flow: GradientFlow, field: str) -> Mask:
    """Where (S, L) the record has a value of a field: what is NaN there has become NaN.

    A layer has none whose values are NaN in every step although its error signal is not (Flatten has no
    weights), nor has a step that is NaN in every layer although the error signal is in none (nothing
    was updated).
    """
    gone: Mask = np.isnan(getattr(flow, field))
    sound = np.isfinite(flow.delta)
    of_layer: Mask = gone.all(axis=0) & sound.any(axis=0)
    of_step: Mask = gone.all(axis=1) & sound.all(axis=1)
    if (
        field == "weight_grad"
    ):  # 0 times infinity is NaN; a layer whose weights have a norm has weights
        of_layer &= np.isnan(flow.weight_norm).all(axis=0)
        of_step &= np.isnan(flow.weight_norm).all(axis=1)
    return np.logical_not(of_layer | of_step[:, np.newaxis])


def of_step(flow: GradientFlow, field: str) -> tuple[Field, Array, Mask]:
    """A field of the steps: what it is called, its values (S,), and where it was told."""
    values: Array = getattr(flow, field)
    about = STEP_FIELDS[field]
    told = np.logical_not(np.isnan(values) & np.isfinite(flow.delta).all(axis=1))
    return about._replace(log=not np.any(values < 0)), values, told


def present_in_time(flow: GradientFlow, walk: str, field: str) -> Mask:
    """Where (S, T) a walk had a timestep: those behind the end of a shorter step are NaN in every field.

    Where all of a step, or its error signal, has become NaN nobody can tell, and all are taken for timesteps.
    """
    gone: Mask = np.full(getattr(flow, field)[walk].shape[:2], True)
    for recorded in (flow.time, flow.time_direct, flow.time_gate, flow.time_saturated):
        missing: Mask = np.isnan(recorded[walk])[:, : gone.shape[1]]
        gone[:, : missing.shape[1]] &= missing if missing.ndim == 2 else missing.all(axis=-1)
    behind = np.logical_and.accumulate(gone[:, ::-1], axis=1)[:, ::-1]
    spoilt: Mask = gone.all(axis=1) | ~np.isfinite(flow.delta[:, flow.layers.index(walk)])
    return np.logical_or(~behind, spoilt[:, np.newaxis])


def of_gate(flow: GradientFlow, walk: str, field: str, gate: str | None) -> tuple[Field, Array]:
    """What a field of time is called, and its values (S, T): of one gate, where it is of gates.

    The one gate there is need not be named.
    """
    about, values = TIME_FIELDS[field], getattr(flow, field)[walk]
    if values.ndim == 2:
        if gate is not None:
            raise ValueError(f"gate: expected None with field={field!r}, got {gate!r}")
        return about, values
    gates = flow.gates[walk]
    if gate is None and len(gates) > 1:
        raise ValueError(f"gate: expected one of {', '.join(gates)} with field={field!r}, got None")
    name = gates[0] if gate is None else _validate.one_of("gate", gate, gates)
    return about._replace(title=about.title.format(name)), values[..., gates.index(name)]
