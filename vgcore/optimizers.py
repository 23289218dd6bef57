"""Optimizers, in PyTorch's conventions; the engine runs their updates.

``g`` is the gradient after clipping plus ``weight_decay * w`` (L2).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from vgcore import _validate


@dataclass
class Optimizer:
    """What an update rule needs to be run by the engine.

    Attributes
    ----------
    learning_rate : float
        May be assigned between and during calls of ``fit``; every assignment is checked.
    bounds : dict of str to dict
        What each number may be, as `vgcore._validate.real` takes it.
    rule : str
        The engine's name of the rule.
    states : tuple of str
        Names of the vectors, of the parameters' layout, that the rule keeps from step to step.
    """

    learning_rate: float
    rule: ClassVar[str]
    bounds: ClassVar[dict[str, dict[str, float]]]

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign a number that is within its bounds; all but the learning rate are assigned once."""
        if name != "learning_rate" and name in self.__dict__:
            raise AttributeError(
                f"{name}: only learning_rate may be assigned; compile the model with a new optimizer"
            )
        if name in self.bounds:
            value = _validate.real(name, value, **self.bounds[name])
        super().__setattr__(name, value)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the vectors that are kept from step to step."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The fields of the engine's update struct that this rule sets."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Rule and arguments, from which `get` makes an equal optimizer."""
        return {"class": self.rule, **asdict(self)}


@dataclass
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's.

    ``v = momentum v + g``; ``w -= rate v``, or with Nesterov's ``w -= rate (g + momentum v)``
    (Sutskever et al. 2013, eq. 1-4, in PyTorch's form; v starts at 0).

    Parameters
    ----------
    learning_rate : float, > 0
    momentum : float in [0, 1)
    nesterov : bool
        Needs a momentum above 0.
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    rule: ClassVar[str] = "sgd"
    bounds: ClassVar[dict[str, dict[str, float]]] = {
        "learning_rate": {"above": 0},
        "momentum": {"minimum": 0, "below": 1},
        "weight_decay": {"minimum": 0},
    }

    def __post_init__(self) -> None:
        if _validate.boolean("nesterov", self.nesterov) and self.momentum == 0:
            raise ValueError("nesterov: expected a momentum above 0 with nesterov=True, got 0")

    @property
    def states(self) -> tuple[str, ...]:
        """The velocity, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def numbers(self) -> dict[str, float]:
        """Momentum and whether it is Nesterov's."""
        return {"momentum": self.momentum, "nesterov": self.nesterov}


@dataclass
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    ``m = beta1 m + (1 - beta1) g``; ``v = beta2 v + (1 - beta2) g^2``;
    ``w -= rate m_hat / (sqrt(v_hat) + epsilon)`` with ``m_hat = m / (1 - beta1^t)`` and likewise v.

    Parameters
    ----------
    learning_rate : float, > 0
    beta1, beta2 : float in [0, 1)
    epsilon : float, > 0
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    rule: ClassVar[str] = "adam"
    bounds: ClassVar[dict[str, dict[str, float]]] = {
        "learning_rate": {"above": 0},
        "beta1": {"minimum": 0, "below": 1},
        "beta2": {"minimum": 0, "below": 1},
        "epsilon": {"above": 0},
        "weight_decay": {"minimum": 0},
    }

    @property
    def states(self) -> tuple[str, ...]:
        """The running means of g and g^2."""
        return ("moment1", "moment2")

    def numbers(self) -> dict[str, float]:
        """The decay rates and epsilon."""
        return {"momentum": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}


_CLASSES: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam}


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
    name = arguments.pop("class")
    return _CLASSES[_validate.one_of("optimizer", name, _CLASSES)](**arguments)
