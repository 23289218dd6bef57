"""Optimizers, in PyTorch's conventions; the engine runs their updates.

``g`` is the gradient after clipping plus ``weight_decay * w`` (L2), but of `AdamW` and `Lion`, whose decay
is decoupled. Arithmetic is in the model's dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vgcore import _answers, _validate, schedules
from vgcore.optimizers.adam import Adam, AdamW, NAdam
from vgcore.optimizers.adaptive import AdaDelta, AdaGrad, RMSProp
from vgcore.optimizers.base import Optimizer
from vgcore.optimizers.course import Course
from vgcore.optimizers.lion import Lion
from vgcore.optimizers.sgd import SGD, Momentum, Nesterov

__all__ = [
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Course",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "from_config",
    "get",
    "names",
]

_CLASSES: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind
    for kind in (SGD, Momentum, Nesterov, AdaGrad, AdaDelta, RMSProp, Adam, AdamW, NAdam, Lion)
}


def names() -> list[str]:
    """Names that `get` takes."""
    return list(_CLASSES)


def get(spec: str | Optimizer) -> Optimizer:
    """An optimizer, or the one of a name with its defaults.

    Raises
    ------
    TypeError, ValueError
        If ``spec`` is neither an optimizer nor a known name.
    """
    if isinstance(spec, Optimizer):
        return spec
    if not isinstance(spec, str):
        raise TypeError(
            f"optimizer: expected an Optimizer such as vg.SGD(0.1), or a name, got {spec!r}"
        )
    return from_config({"class": spec})


def from_config(config: dict[str, Any]) -> Optimizer:
    """The optimizer that `Optimizer.config` described."""
    arguments = dict(config)
    kind = _validate.one_of("optimizer", arguments.pop("class").lower(), _CLASSES)
    if isinstance(arguments.get("learning_rate"), dict):
        arguments["learning_rate"] = schedules.from_config(arguments["learning_rate"])
    return _CLASSES[kind](**arguments)


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
