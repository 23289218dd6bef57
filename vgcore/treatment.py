"""What becomes of gradients before the optimizer gets them: amplification, clipping, noise, rates by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vgcore import _validate

if TYPE_CHECKING:
    from vgcore.parameters import Layout

Epochs = Sequence[range | tuple[int, int]]

CLIPPINGS = ("clip_norm", "clip_value", "clip_layer_norm", "clip_adaptive")


@dataclass(frozen=True)
class GradientNoise:
    """Normal noise on every gradient, which falls with the step t = 0, 1, ...

    ``g += N(0, sigma_t^2)`` with ``sigma_t^2 = eta / (1 + t)^gamma``: Neelakantan et al. 2015
    (arXiv 1511.06807, section 3; eta is 0.01, 0.3 or 1 there). A number depends on the model's seed, the step
    and the element alone.

    Parameters
    ----------
    eta : float, > 0
    gamma : float, >= 0
    """

    eta: float = 0.3
    gamma: float = 0.55

    def __post_init__(self) -> None:
        object.__setattr__(self, "eta", _validate.real("eta", self.eta, above=0))
        object.__setattr__(self, "gamma", _validate.real("gamma", self.gamma, minimum=0))


@dataclass(frozen=True)
class Amplification:
    """The gradients of chosen layers, times a factor, in chosen epochs.

    ``g_l <- factor g_l``: Basodi et al. 2020 (arXiv 2006.10560). It is the gradient of the layers' parameters
    that is multiplied, before it is clipped; what reaches the layers below is not.

    Parameters
    ----------
    layers : sequence of str
        Names of layers with parameters; that of a block stands for all layers in it.
    factor : float, > 0
    epochs : range, or sequence of (begin, end) or ranges, optional
        Counted from 0 in every call of `Sequential.fit`; ``end`` is not amplified any more. Without it always,
        with it never in `Sequential.train_on_batch`.
    """

    layers: Sequence[str]
    factor: float
    epochs: range | Epochs | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _names("layers", self.layers))
        object.__setattr__(self, "factor", _validate.real("factor", self.factor, above=0))
        if self.epochs is not None:
            object.__setattr__(self, "epochs", _ranges(self.epochs))

    def acts(self, epoch: int | None) -> bool:
        """Whether it acts in an epoch of `fit`, or (None) outside of it."""
        if self.epochs is None:
            return True
        return any(epoch in each for each in self.epochs if isinstance(each, range))

    def config(self) -> dict[str, Any]:
        """The arguments, as JSON can hold them."""
        ranges: Any = self.epochs
        epochs = ranges and [[each.start, each.stop, each.step] for each in ranges]
        return {"layers": self.layers, "factor": self.factor, "epochs": epochs}


@dataclass(frozen=True)
class Treatment:
    """All that `Sequential.compile` was told of it.

    ``rates`` gives the factor of the learning rate of an operation, 0 if it is frozen, and ``amplified`` the
    operations of each amplification; ``arguments`` are those of `compile`, as JSON can hold them.
    """

    clipping: dict[str, float] = dataclasses.field(default_factory=dict)
    noise: GradientNoise | None = None
    rates: dict[int, float] = dataclasses.field(default_factory=dict)
    amplified: list[tuple[Amplification, list[int]]] = dataclasses.field(default_factory=list)
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """The engine's struct of the same name."""
        limits = {name: self.clipping.get(name, math.inf) for name in CLIPPINGS}
        del limits["clip_value"]  # it is the update's own
        noise = {"noise": self.noise.eta, "noise_decay": self.noise.gamma} if self.noise else {}
        return {**limits, "noise": 0.0, "noise_decay": 0.0, **noise}

    def operation_rates(self, operations: int) -> list[float]:
        """The factor of each operation's learning rate."""
        return [self.rates.get(index, 1.0) for index in range(operations)]

    def amplification(self, operations: int, epoch: int | None) -> list[float]:
        """The factor of each operation's gradient in an epoch of `fit`, or (None) outside of it."""
        factors = [1.0] * operations
        for amplification, indices in self.amplified:
            if amplification.acts(epoch):
                for index in indices:
                    factors[index] *= amplification.factor
        return factors


def make(
    layout: Layout,
    *,
    clipping: Mapping[str, float | None],
    noise: GradientNoise | None,
    amplify: Amplification | Sequence[Amplification],
    learning_rates: Mapping[str, float],
    frozen: Sequence[str],
) -> Treatment:
    """The checked treatment of a model's gradients; ``clipping`` by the names of CLIPPINGS."""
    limits = {
        name: _validate.real(name, limit, above=0)
        for name, limit in clipping.items()
        if limit is not None
    }
    if len(limits) > 1:
        *others, last = limits
        raise ValueError(f"{last}: expected either {' or '.join([*others, last])}, got both")
    if noise is not None and not isinstance(noise, GradientNoise):
        raise TypeError(
            f"noise: expected a GradientNoise, got {noise!r} ({type(noise).__name__})"
        )
    amplifications = [amplify] if isinstance(amplify, Amplification) else amplify
    if not isinstance(amplifications, Sequence) or isinstance(amplifications, str):
        raise TypeError(f"amplify: expected an Amplification or several, got {amplify!r}")
    for each in amplifications:
        if not isinstance(each, Amplification):
            raise TypeError(f"amplify: expected Amplifications, got {each!r}")
    if not isinstance(learning_rates, Mapping):
        raise TypeError(
            f"learning_rates: expected a dict of factors by layer, got {learning_rates!r}"
        )
    factors = {
        name: _validate.real(f"learning_rates[{name!r}]", factor, above=0)
        for name, factor in learning_rates.items()
    }
    frozen = _names("frozen", frozen) if frozen else []
    rates: dict[int, float] = {}
    for name, factor in factors.items():
        for index in _operations(layout, "learning_rates", name):
            rates[index] = rates.get(index, 1.0) * factor
    for name in frozen:
        rates.update(dict.fromkeys(_operations(layout, "frozen", name), 0.0))
    amplified = []
    for each in amplifications:
        inner = {index for name in each.layers for index in _operations(layout, "amplify", name)}
        amplified.append((each, sorted(inner)))
    arguments = {
        **limits,
        "noise": noise and dataclasses.asdict(noise),
        "amplify": [each.config() for each in amplifications],
        "learning_rates": factors,
        "frozen": frozen,
    }
    return Treatment(limits, noise, rates, amplified, {k: v for k, v in arguments.items() if v})


def from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Sequential.compile` from what `Treatment.arguments` became in JSON."""
    arguments = dict(config)
    if "noise" in arguments:
        arguments["noise"] = GradientNoise(**arguments["noise"])
    if "amplify" in arguments:
        arguments["amplify"] = [
            Amplification(
                each["layers"], each["factor"], each["epochs"] and [range(*e) for e in each["epochs"]]
            )
            for each in arguments["amplify"]
        ]
    return arguments


def _names(argument: str, names: Iterable[str]) -> list[str]:
    """Names of layers, at least one."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{argument}: expected names of layers in a list, got {names!r}")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: expected names of layers, got {name!r}")
    if not found:
        raise ValueError(f"{argument}: expected at least one layer, got none")
    return found


def _ranges(epochs: Any) -> tuple[range, ...]:
    """Epochs as ranges, none of them empty."""
    if isinstance(epochs, range):
        epochs = [epochs]
    if isinstance(epochs, str) or not isinstance(epochs, Iterable):
        raise TypeError(f"epochs: expected a range or pairs (begin, end), got {epochs!r}")
    ranges = []
    for each in epochs:
        if isinstance(each, range):
            ranges.append(each)
            continue
        if not isinstance(each, tuple | list) or len(each) != 2:
            raise TypeError(f"epochs: expected pairs (begin, end), got {each!r}")
        begin, end = (_validate.integer("epochs", epoch, minimum=0) for epoch in each)
        ranges.append(range(begin, end))
    for each in ranges:
        if not each or min(each) < 0:
            raise ValueError(f"epochs: expected at least one epoch, all of at least 0; got {each}")
    if not ranges:
        raise ValueError("epochs: expected at least one range of epochs, got none")
    return tuple(ranges)


def _operations(layout: Layout, argument: str, name: str) -> list[int]:
    """The operations of the layer of this name, or of those in the block of this name."""
    return layout.layers[_validate.one_of(argument, name, layout.layers)]
