"""What becomes of gradients before the optimizer gets them, and rates by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from vgcore import _validate
from vgcore._settings import Checks, Settings

if TYPE_CHECKING:
    from vgcore.model.parameters import Layout

DECAYS = ("all", "weights")
CLIPPINGS = ("clip_norm", "clip_value", "clip_layer_norm", "clip_adaptive")


def _names(argument: str, value: Any) -> tuple[str, ...]:
    """Names of layers."""
    found = tuple(_validate.items(argument, value, "a list of names of layers"))
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: expected names of layers, got {name!r}")
    return found


def _ranges(argument: str, value: Any) -> tuple[range, ...] | None:
    """Epochs as ranges, none of them empty; None stays."""
    if value is None:
        return None
    parts = [value] if isinstance(value, range) else value
    parts = _validate.items(argument, parts, "a range or pairs (begin, end)")
    ranges = []
    for part in parts:
        if not isinstance(part, range) and not (isinstance(part, tuple | list) and len(part) == 2):
            raise TypeError(f"{argument}: expected ranges or pairs (begin, end), got {part!r}")
        ranges.append(part if isinstance(part, range) else range(*map(_epoch, part)))
    if not ranges or not all(ranges) or any(min(each[0], each[-1]) < 0 for each in ranges):
        raise ValueError(f"{argument}: expected epochs from 0 on, at least one; got {value!r}")
    return tuple(ranges)


_epoch = partial(_validate.integer, "epochs", minimum=0)


@dataclass
class GradientNoise(Settings):
    """Normal noise on every gradient, which falls with the step t = 0, 1, ...

    ``g += N(0, sigma_t^2)`` with ``sigma_t^2 = eta / (1 + t)^gamma``: Neelakantan et al. 2015 (arXiv
    1511.06807, section 3, where eta is 0.01, 0.3 or 1). A number depends on the model's seed, the step and
    the element alone.

    Parameters
    ----------
    eta : float, > 0
    gamma : float, >= 0
    """

    eta: float = 0.3
    gamma: float = 0.55

    checks: ClassVar[Checks] = {
        "eta": partial(_validate.real, above=0),
        "gamma": partial(_validate.real, minimum=0),
    }


@dataclass
class Amplification(Settings):
    """The gradients of chosen layers, times a factor, in chosen epochs.

    ``g_l <- factor g_l``: Basodi et al. 2020 (arXiv 2006.10560). What is multiplied is the gradient of the
    layers' parameters, before it is clipped; what reaches the layers below is as it was.

    Parameters
    ----------
    layers : sequence of str
        Names of layers with parameters; that of a block stands for all layers in it.
    factor : float, > 0
    epochs : range, or list of ranges or pairs (begin, end), optional
        Counted from 0 in every call of `Sequential.fit`; ``end`` is the first that is not amplified.
        Without it always; with it never in `Sequential.train_on_batch`.
    """

    layers: Sequence[str]
    factor: float
    epochs: range | Sequence[range | tuple[int, int]] | None = None

    checks: ClassVar[Checks] = {
        "layers": _names,
        "factor": partial(_validate.real, above=0),
        "epochs": _ranges,
    }

    def acts(self, epoch: int | None) -> bool:
        """Whether it acts in an epoch of `fit`, or (None) outside of it."""
        if self.epochs is None:
            return True
        # None would be compared with every epoch of a range
        return epoch is not None and any(epoch in part for part in self.epochs)  # type: ignore[operator]

    def config(self) -> dict[str, Any]:
        """The arguments, as JSON can hold them: an epochs' range by its three numbers."""
        epochs: Any = self.epochs
        numbers = epochs and [[part.start, part.stop, part.step] for part in epochs]
        return {**super().config(), "epochs": numbers}


@dataclass
class Treatment:
    """All that `Sequential.compile` was told of it, under its names, and which operations it is about.

    ``rates`` gives factors of the learning rate of operations, 0 of those that are frozen,
    ``amplified`` the operations of each amplification, and ``undecayed`` the first elements of the
    parameters that weight decay leaves out. Nothing of it changes but names of layers.
    """

    clipping: dict[str, float] = field(default_factory=dict)
    noise: GradientNoise | None = None
    amplify: tuple[Amplification, ...] = ()
    learning_rates: dict[str, float] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    rates: dict[int, float] = field(default_factory=dict)
    amplified: list[set[int]] = field(default_factory=list)
    decay: str = "all"
    undecayed: frozenset[int] = frozenset()

    def numbers(self) -> dict[str, float]:
        """The engine's struct of the same name; cutting by value is the update's."""
        limits = {name: self.clipping.get(name, math.inf) for name in CLIPPINGS}
        del limits["clip_value"]
        eta, gamma = (self.noise.eta, self.noise.gamma) if self.noise else (0.0, 0.0)
        return {**limits, "noise": eta, "noise_decay": gamma}

    def operation_rates(self, operations: int) -> list[float]:
        """The factor of each operation's learning rate."""
        return [self.rates.get(index, 1.0) for index in range(operations)]

    def amplification(self, operations: int, epoch: int | None) -> list[float]:
        """The factor of each operation's gradient in an epoch of `fit`, or (None) outside of it."""
        factors = [1.0] * operations
        for each, indices in zip(self.amplify, self.amplified, strict=True):
            for index in indices if each.acts(epoch) else ():
                factors[index] *= each.factor
        return factors

    def rename(self, new: Mapping[str, str]) -> None:
        """Call layers by other names; ``new`` has all of them."""
        self.amplify = tuple(
            replace(each, layers=[new[name] for name in each.layers]) for each in self.amplify
        )
        self.learning_rates = {new[name]: each for name, each in self.learning_rates.items()}
        self.frozen = tuple(new[name] for name in self.frozen)

    def config(self) -> dict[str, Any]:
        """The arguments of `Sequential.compile`, as JSON can hold them."""
        return {
            **self.clipping,
            "noise": self.noise and self.noise.config(),
            "amplify": [each.config() for each in self.amplify],
            "learning_rates": self.learning_rates,
            "frozen": self.frozen,
            "decay": self.decay,
        }


def make(
    layout: Layout,
    *,
    clipping: Mapping[str, float | None],
    noise: GradientNoise | None,
    amplify: Amplification | Sequence[Amplification],
    learning_rates: Mapping[str, float],
    frozen: Sequence[str],
    decay: str,
) -> Treatment:
    """The checked treatment of a model's gradients; ``clipping`` by the names of CLIPPINGS."""
    limits = {
        name: _validate.real(name, limit, above=0)
        for name, limit in clipping.items()
        if limit is not None
    }
    if len(limits) > 1:
        first, second = list(limits)[:2]
        raise ValueError(f"{second}: expected either {first} or {second}, got both")
    if noise is not None and not isinstance(noise, GradientNoise):
        raise TypeError(f"noise: expected a GradientNoise, got {noise!r} ({type(noise).__name__})")
    amplifications = [amplify] if isinstance(amplify, Amplification) else amplify
    amplifications = tuple(
        _validate.items("amplify", amplifications, "an Amplification or several")
    )
    for each in amplifications:
        if not isinstance(each, Amplification):
            raise TypeError(f"amplify: expected Amplifications, got {each!r}")
    if not isinstance(learning_rates, Mapping):
        raise TypeError(f"learning_rates: expected a dict by layer, got {learning_rates!r}")
    frozen = _names("frozen", frozen)
    rates: dict[int, float] = {}
    factors = {}
    for name, factor in learning_rates.items():
        argument = f"learning_rates[{name!r}]"
        factors[name] = _validate.real(argument, factor, minimum=0)
        if factors[name] == 0:
            raise ValueError(
                f"{argument}: expected a finite number above 0, got 0; frozen=[{name!r}] is that"
            )
        for index in _operations(layout, "learning_rates", [name]):
            rates[index] = rates.get(index, 1.0) * factors[name]
    rates.update(dict.fromkeys(_operations(layout, "frozen", frozen), 0.0))
    amplified = [_operations(layout, "amplify", each.layers) for each in amplifications]
    undecayed = (
        layout.vectors if _validate.one_of("decay", decay, DECAYS) == "weights" else frozenset()
    )
    return Treatment(
        limits, noise, amplifications, factors, frozen, rates, amplified, decay, undecayed
    )


def _operations(layout: Layout, argument: str, layers: Iterable[str]) -> set[int]:
    """The operations of layers, and of those in blocks."""
    return {
        index
        for name in layers
        for index in layout.layers[_validate.one_of(argument, name, layout.layers)]
    }


def arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Sequential.compile`, of which `Treatment.config` described some."""
    given = dict(config)
    if given["noise"] is not None:
        given["noise"] = GradientNoise(**_fields(GradientNoise, given["noise"]))
    amplify = [_fields(Amplification, each) for each in given["amplify"]]
    for each in amplify:
        each["epochs"] = each["epochs"] and [range(*part) for part in each["epochs"]]
    given["amplify"] = [Amplification(**each) for each in amplify]
    return given


def _fields(kind: type[Settings], config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in a `Settings.config`."""
    return {each.name: config[each.name] for each in fields(kind)}
