"""Networks that do not learn, and the cures that `vgcore run cures` tries on them.

Every network is a first layer, pairs of layers that each see the activations (and, with some cures, norms)
of what is before them, and an output: the pre-activation form of He et al. 2016 (arXiv 1603.05027), whose
skips go around the pairs. A cure is what it changes of that; two of them together, ``a + b``, are one, too.
To add a cure, add its entry to its disease.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from vgcore import initializers
from vgcore.initializers import Critical, Initializer, Orthogonal, VarianceScaling
from vgcore.layers import (
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    Highway,
    Layer,
    LayerNorm,
    PReLU,
    Residual,
)
from vgcore.model import Sequential
from vgcore.optimizers import Adam, Momentum, Optimizer
from vgcore.treatment import Amplification, GradientNoise

Array = NDArray[Any]

CLASSES = 10
_UNITS, _FILTERS = 64, 8


@dataclass(frozen=True)
class Cure:
    """What a cure changes; what is None stays as it is. ``a + b`` changes what either does.

    Attributes
    ----------
    name : str
    activation : callable
        Makes a layer's activation.
    start : Initializer
        Of all weights but the output's.
    norm : callable
        Makes what stands in front of an activation.
    skip : callable
        Makes layers of a pair of them.
    rule : callable
        Makes the optimizer of a learning rate.
    rates : tuple of float
        Learning rates to try.
    treatment : dict
        What becomes of gradients: arguments of `Sequential.compile`.
    prepare : callable
        Called with the model and samples before training.
    """

    name: str
    activation: Callable[[], Layer] | None = None
    start: Initializer | None = None
    norm: Callable[[], Layer] | None = None
    skip: Callable[[list[Layer]], list[Layer]] | None = None
    rule: Callable[[float], Optimizer] | None = None
    rates: tuple[float, ...] | None = None
    treatment: Mapping[str, Any] | None = None
    prepare: Callable[[Sequential, Array], object] | None = None

    def __add__(self, other: Cure) -> Cure:
        """Both at once; where they change the same, it is as the second has it."""
        changes = {name: value for name, value in vars(other).items() if value is not None}
        return dataclasses.replace(self, **{**changes, "name": f"{self.name} + {other.name}"})


@dataclass(frozen=True)
class Disease:
    """A network that does not learn, and what is tried on it.

    Attributes
    ----------
    title : str
    depth : int
        Layers with weights: the first, pairs, and the output.
    first, inner : callable
        Make a layer of the initializer of its weight.
    output : callable
        Makes the last layers.
    sick : Cure
        The network without a cure: all that a cure may change.
    cures : tuple of Cure
    """

    title: str
    depth: int
    first: Callable[[Initializer], Layer]
    inner: Callable[[Initializer], Layer]
    output: Callable[[], list[Layer]]
    sick: Cure
    cures: tuple[Cure, ...]

    def network(self, cure: Cure, input_shape: tuple[int, ...], seed: int) -> Sequential:
        """The network as a cure makes it, not yet compiled."""
        chosen: Any = self.sick + cure

        def layer() -> list[Layer]:
            return [*activation(), self.inner(chosen.start)]

        def activation() -> list[Layer]:
            return [*([chosen.norm()] if chosen.norm else []), chosen.activation()]

        layers = [self.first(chosen.start)]
        for _ in range((self.depth - 2) // 2):
            pair = [*layer(), *layer()]
            layers += chosen.skip(pair) if chosen.skip else pair
        layers += [*activation(), *self.output()]
        return Sequential(layers, input_shape=input_shape, seed=seed)


def _dense(start: Initializer) -> Layer:
    return Dense(_UNITS, weight_initializer=start)


def _first_convolution(start: Initializer) -> Layer:
    return Conv2d(_FILTERS, 3, stride=2, padding=1, weight_initializer=start)


def _convolution(start: Initializer) -> Layer:
    return Conv2d(_FILTERS, 3, padding="same", weight_initializer=start)


def _classes() -> Layer:
    return Dense(CLASSES, "softmax", weight_initializer=XAVIER)


def _block(pair: list[Layer], **options: Any) -> list[Layer]:
    return [Residual(pair, **options)]


def _highway(pair: list[Layer]) -> list[Layer]:
    """Two layers that have gates instead of a pair; the deeper the network, the less they let in at first."""
    return [Highway("sigmoid", gate_bias=-4.0, weight_initializer=XAVIER) for _ in range(2)]


XAVIER = VarianceScaling(1.0, "fan_avg")

NOTHING = Cure("no cure")
MOMENTUM = Cure("momentum", rule=Momentum, rates=(1e-2, 1e-3))
RELU = Cure("ReLU", partial(Activation, "relu"), initializers.get("he_normal", "relu"))
PRELU = Cure("PReLU", PReLU, RELU.start)
TANH = Cure("tanh", partial(Activation, "tanh"), Critical("tanh"))
HE = Cure("He start", start=RELU.start)
CRITICAL = Cure("critical start", start=Critical("sigmoid"))
ORTHOGONAL = Cure("orthogonal start", start=Orthogonal())
LSUV = Cure("LSUV start", prepare=initializers.lsuv)
BATCH_NORM = Cure("BatchNorm", norm=BatchNorm)
LAYER_NORM = Cure("LayerNorm", norm=LayerNorm)
SKIP = Cure("skip", skip=_block)
REZERO = Cure("ReZero", skip=partial(_block, gate=0.0))
FIXUP = Cure(
    "Fixup", skip=partial(_block, gate=1.0), prepare=lambda model, _: initializers.fixup(model)
)
HIGHWAY = Cure("highway", skip=_highway)
ADAM = Cure("Adam", rule=Adam, rates=(1e-3, 1e-4))
CLIPPING = Cure("clipping", treatment={"clip_norm": 1.0})
AGC = Cure("AGC", treatment={"clip_adaptive": 0.02})
NOISE = Cure("noise", treatment={"noise": GradientNoise(0.01)})
AMPLIFICATION = Cure(
    "amplification",
    treatment={
        "amplify": Amplification([f"dense{n}" for n in range(1, 50)], 10.0, epochs=range(20))
    },
)

DENSE = Disease(
    "50 layers of 64 sigmoid units, digits",
    50,
    _dense,
    _dense,
    lambda: [_classes()],
    Cure("sigmoid", partial(Activation, "sigmoid"), XAVIER) + MOMENTUM,
    (
        NOTHING, CLIPPING, AGC, NOISE, AMPLIFICATION, ADAM,
        ORTHOGONAL, LSUV, CRITICAL, TANH, RELU, PRELU,
        LAYER_NORM, BATCH_NORM, HIGHWAY, SKIP, REZERO,
        TANH + ORTHOGONAL, RELU + LSUV, RELU + ADAM, RELU + LAYER_NORM, RELU + BATCH_NORM,
        RELU + SKIP, RELU + SKIP + CLIPPING, RELU + SKIP + AGC, RELU + REZERO,
        BATCH_NORM + ADAM, SKIP + LAYER_NORM, SKIP + BATCH_NORM, RELU + SKIP + BATCH_NORM,
    ),
)  # fmt: skip
CONVOLUTIONAL = Disease(
    "56 layers, convolutions of 8 filters, MNIST",
    56,
    _first_convolution,
    _convolution,
    lambda: [Flatten(), _classes()],
    Cure("ReLU", partial(Activation, "relu"), XAVIER) + MOMENTUM,
    (
        NOTHING, CLIPPING, ADAM, HE, LSUV, PRELU, LAYER_NORM, BATCH_NORM, SKIP, REZERO, FIXUP,
        HE + ADAM, BATCH_NORM + ADAM, HE + SKIP, HE + SKIP + CLIPPING, SKIP + BATCH_NORM,
    ),
)  # fmt: skip
