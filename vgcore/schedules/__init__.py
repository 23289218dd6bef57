"""Learning rates that change as training goes on, counted in optimizer steps from 0, or in epochs.

Given to an optimizer in place of a number: ``vg.SGD(vg.schedules.Cosine(0.1, steps=1000))``. A schedule is a
pure function of the step, and its ``steps``, ``period`` and ``milestones`` are optimizer steps, one for each
minibatch. In `per_epoch` they are epochs: ``per_epoch(Cosine(0.1, steps=30))``. `ReduceOnPlateau` looks at
epochs and depends on what `fit` has seen, which the model keeps. Where PyTorch has a schedule of the kind
(torch.optim.lr_scheduler, stepped after every optimizer step), rates are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vgcore import _answers, _validate
from vgcore.schedules.base import Epochs, Plateau, Schedule
from vgcore.schedules.cosine import Cosine, OneCycle
from vgcore.schedules.decay import (
    Constant,
    Exponential,
    InverseTime,
    Linear,
    MultiStep,
    Polynomial,
    Step,
)
from vgcore.schedules.epochs import PerEpoch, per_epoch
from vgcore.schedules.plateau import ReduceOnPlateau
from vgcore.schedules.warmup import Warmup

__all__ = [
    "Constant",
    "Cosine",
    "Epochs",
    "Exponential",
    "InverseTime",
    "Linear",
    "MultiStep",
    "OneCycle",
    "PerEpoch",
    "Plateau",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "Warmup",
    "from_config",
    "per_epoch",
]

_CLASSES: dict[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (
        Constant, Step, MultiStep, Exponential, Linear, Polynomial, InverseTime, Cosine, OneCycle, Warmup,
        PerEpoch, ReduceOnPlateau,
    )
}  # fmt: skip


def from_config(config: dict[str, Any]) -> Schedule:
    """The schedule that its ``config`` described."""
    arguments = {
        name: from_config(value) if isinstance(value, dict) else value
        for name, value in config.items()
    }
    kind = _validate.one_of("schedule", arguments.pop("class"), _CLASSES)
    return _CLASSES[kind](**arguments)


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
