"""Losses: what they ask of targets and of the output layer, and how the engine computes them.

========================================  ================================================================
mse                                       (h - y)^2
mae                                       abs(h - y)
huber, `Huber`                            (h - y)^2 / 2 up to abs(h - y) = delta, a line from there on
log_cosh                                  log cosh(h - y)
hinge, squared_hinge                      max(0, 1 - y h), and its square; targets -1 and 1 (or 0 and 1)
poisson                                   h - y log h of a rate h: the output of softplus, sigmoid or relu; an
                                          identity output is the logarithm of the rate
cosine                                    1 - h . y / (norm(h) norm(y)); Keras's is less by 1
binary_crossentropy                       -y log h - (1 - y) log(1 - h)
multilabel_crossentropy                   the same, where each output is a label of its own, and right
                                          where it is on its side of 1/2
categorical_crossentropy                  -sum_j y_j log h_j, targets (n, classes)
sparse_categorical_crossentropy           the same, targets (n,) integer labels
kl_divergence                             sum_j y_j log(y_j / h_j), targets (n, classes)
`Custom`                                  a function of one's own
========================================  ================================================================

With ``reduction="mean"`` what is a sum over outputs is averaged over every element (PyTorch's), with
``"batchmean"`` it is summed over the outputs and averaged over the batch (the textbooks'). The
cross-entropies of classes, kl_divergence and cosine, which are of a whole output, are averaged over the batch
either way. With targets at every timestep a loss is averaged over the timesteps, too, or summed over them
with ``"batchmean"``; padding does not count.

Cross-entropies, kl_divergence and the poisson of softplus are computed from what is in front of the output's
activation, whatever layer that is of, so they are exact where a probability rounds to 0 or 1. For
cross-entropies an identity output is taken as logits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from vgcore import _answers, _validate
from vgcore._core import simd

__all__ = [
    "Custom",
    "Huber",
    "Loss",
    "get",
]

Reduction = Literal["mean", "batchmean"]


@dataclass(frozen=True)
class _Kind:
    """What is particular to a loss.

    ``code``: the engine's name of it, of outputs; ``fused``: its names where the loss is computed in front
    of an output's activation. ``outputs``: the activations that suit it, or None where all do. ``targets``:
    least and largest. ``whole``: it is of all outputs together, not a sum over them.
    """

    code: str
    fused: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    targets: tuple[float, float] = (-float("inf"), float("inf"))
    whole: bool = False
    categorical: bool = False
    parameter: float = 0.0


_BINARY = _Kind(
    "binary",
    fused={"sigmoid": "binary_logits", "identity": "binary_logits"},
    outputs=("sigmoid", "hard_sigmoid", "softmax", "identity"),
    targets=(0, 1),
)
_CATEGORICAL = _Kind(
    "categorical_logits",
    fused={"softmax": "categorical_logits", "identity": "categorical_logits"},
    outputs=("softmax", "identity"),
    targets=(0, 1),
    whole=True,
    categorical=True,
)
_KINDS = {
    "mse": _Kind("mse"),
    "mae": _Kind("mae"),
    "huber": _Kind("huber", parameter=1.0),
    "log_cosh": _Kind("log_cosh"),
    "hinge": _Kind("hinge", targets=(-1, 1)),
    "squared_hinge": _Kind("squared_hinge", targets=(-1, 1)),
    "poisson": _Kind(
        "poisson",
        fused={"softplus": "poisson_logits", "identity": "poisson_exponent"},
        outputs=("softplus", "identity", "sigmoid", "relu"),
        targets=(0, float("inf")),
        parameter=1e-8,
    ),
    "cosine": _Kind("cosine", whole=True),
    "binary_crossentropy": _BINARY,
    "multilabel_crossentropy": _BINARY,
    "categorical_crossentropy": _CATEGORICAL,
    "sparse_categorical_crossentropy": _CATEGORICAL,
    "kl_divergence": replace(
        _CATEGORICAL,
        code="divergence_logits",
        fused=dict.fromkeys(("softmax", "identity"), "divergence_logits"),
    ),
}
# Of the engine's own kinds it takes none: it is asked in their place
_CUSTOM = _Kind("linear", whole=True)
_ALIASES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "cosine_similarity": "cosine",
    "kullback_leibler_divergence": "kl_divergence",
}
_SMOOTHED = (
    "binary_crossentropy",
    "multilabel_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)


@dataclass(frozen=True)
class Huber:
    """The loss "huber" with a bound of one's own (Huber 1964; torch.nn.HuberLoss).

    Parameters
    ----------
    delta : float, > 0
        From where on it is a line: ``delta (abs(h - y) - delta / 2)``.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", _validate.real("delta", self.delta, above=0))


@dataclass(frozen=True)
class Custom:
    """A loss of one's own: a function of NumPy arrays, called once a minibatch.

    Parameters
    ----------
    function : callable
        ``function(y, h)`` returns each sample's loss and its gradient with respect to h. h is what the
        output layer makes of a minibatch, behind its activation: (n, outputs), (n, time, outputs) or (n,
        channels, height, width), 0 behind a sequence's end. It is valid during the call. y is what was
        passed with these samples: any array of a row each, of the user's own dtype and shape.

        The losses are (n,) or, where there is an output for every timestep or pixel, of each of them, (n,
        time) or (n, height, width); the gradient has the shape of h. A loss that is a mean over outputs is
        averaged by the function; over the batch, and over the timesteps that are valid, it is averaged here,
        or summed over these with ``reduction="batchmean"``. Losses (n,) of whole sequences are averaged over
        the batch either way.

    Notes
    -----
    Each chunk of time that is a step of its own, as with ``tbptt``, is a minibatch; y is cut with it where
    its second axis is time. What the function raises is raised, and the step is as if it had not been. It
    may not run the model. A model with it can be trained, but not be saved or copied.

    Examples
    --------
    The order is Keras's, targets first; mse, a loss for each sample:

    >>> import vgcore as vg
    >>> f = lambda y, h: (((h - y) ** 2).mean(axis=1), 2 * (h - y) / h.shape[1])
    >>> model = vg.Sequential([vg.Dense(1)], input_shape=3)
    >>> model.compile(vg.losses.Custom(f))
    """

    function: Callable[[Any, Any], tuple[Any, Any]]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"function: expected a function of y and h, got {_validate.kind(self.function)}"
            )


@dataclass(frozen=True)
class Loss:
    """A loss, its reduction and the activation of the output layer it follows.

    ``fusible``: it may compute that activation in the layer's stead. ``parameter``: Huber's bound.
    ``label_smoothing``: the share of a target that is spread over all classes. ``ignore_index``: the label
    that does not count. ``function``: of a `Custom` loss.
    """

    name: str
    reduction: str
    output: str
    fusible: bool = True
    parameter: float = 0.0
    label_smoothing: float = 0.0
    ignore_index: int | None = None
    function: Callable[[Any, Any], tuple[Any, Any]] | None = None

    def __repr__(self) -> str:
        """Show what is not as by default."""
        shown = [f"reduction={self.reduction!r}"] if self.reduction != "mean" else []
        shown += [f"delta={self.parameter:g}"] if self.name == "huber" else []
        shown += [f"label_smoothing={self.label_smoothing:g}"] if self.label_smoothing else []
        shown += [] if self.ignore_index is None else [f"ignore_index={self.ignore_index}"]
        return f"Loss({', '.join([repr(self.name), *shown])})"

    @property
    def kind(self) -> _Kind:
        """What is particular to it."""
        return _CUSTOM if self.function is not None else _KINDS[self.name]

    @property
    def sparse(self) -> bool:
        """Whether targets are integer labels."""
        return self.name == "sparse_categorical_crossentropy"

    @property
    def categorical(self) -> bool:
        """Whether the outputs are one distribution over classes."""
        return self.kind.categorical

    @property
    def target_range(self) -> tuple[float, float]:
        """Between which targets lie."""
        return self.kind.targets

    @property
    def signed(self) -> bool:
        """Whether targets are -1 and 1."""
        return self.name in ("hinge", "squared_hinge")

    @property
    def judged(self) -> str | None:
        """What is right where outputs stand for classes.

        "class": the largest output is of the target's class; "label": each output is on its target's side;
        None: outputs are numbers.
        """
        if self.signed or self.name == "multilabel_crossentropy":
            return "label"
        return "class" if self.target_range == (0, 1) else None

    @property
    def middle(self) -> float:
        """What outputs lie above where they say yes."""
        return 0.0 if self.signed or self.output == "identity" else 0.5

    @property
    def fused(self) -> bool:
        """Whether the loss is computed in front of the output's activation and returns dL/dz."""
        return self.output in self.kind.fused and (
            self.fusible or self.output in ("identity", "softmax")
        )

    @property
    def applies_activation(self) -> bool:
        """Whether a fused loss leaves what the activation makes in place of what it has read."""
        return self.fused and self.output != "identity"

    @property
    def mean_over_outputs(self) -> bool:
        """Whether the loss of a sample is a mean over its outputs."""
        return self.reduction == "mean" and not self.kind.whole

    @property
    def code(self) -> str:
        """The engine's name for it."""
        if self.fused:
            return self.kind.fused[self.output]
        of_states = self.kind is _BINARY and self.output == "sigmoid"
        return "binary_states" if of_states else self.kind.code

    def numbers(self, units: int) -> dict[str, Any]:
        """What the engine wants to know of it, over so many outputs."""
        from_logits = self.fused or self.code == "binary_states"
        return {
            "kind": simd.LOSSES[self.code],
            "parameter": self.parameter,
            "kept": 1 - self.label_smoothing,
            "spread": self.label_smoothing / (units if self.categorical else 2),
            "by_class": self.judged == "class" and (units > 1 or self.categorical),
            "middle": 0.0 if from_logits else self.middle,
            "target_middle": 0.0 if self.signed else 0.5,
        }

    def spec(self) -> str | list[Any]:
        """What `get` makes it of, as JSON can hold it; ValueError for a function."""
        if self.function is not None:
            raise ValueError(
                "loss: expected one of vgcore's own, to save or copy a model, got Custom, whose function no "
                "file can hold"
            )
        return [self.name, self.parameter] if self.name == "huber" else self.name


class Linear(Loss):
    """The sum of targets times outputs, averaged over the batch: for derivatives of single outputs."""

    def __init__(self) -> None:
        super().__init__("linear", "batchmean", "identity")

    @property
    def kind(self) -> _Kind:
        """What is particular to it."""
        return _Kind("linear")


def named(spec: str | list[Any] | tuple[Any, ...]) -> str | Huber:
    """What `Loss.spec` told."""
    return spec if isinstance(spec, str) else Huber(*spec[1:])


def get(
    spec: str | Huber | Custom,
    reduction: str,
    output: str,
    fusible: bool = True,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Loss:
    """The loss of a name after an output layer whose activation is ``output``.

    ``fusible``: the loss may compute the activation in the layer's stead.

    Raises
    ------
    TypeError, ValueError
        If the name or the reduction is unknown, the output's range does not suit the loss, or a loss of no
        classes is to smooth or ignore labels.
    """
    _validate.one_of("reduction", reduction, ("mean", "batchmean"))
    smoothing = _validate.real("label_smoothing", label_smoothing, minimum=0, below=1)
    function = None
    if isinstance(spec, Huber):
        name, parameter = "huber", spec.delta
    elif isinstance(spec, Custom):
        name, parameter, function = "Custom", 0.0, spec.function
    else:
        if inspect.isroutine(spec):
            raise TypeError(
                "loss: expected a name, or vg.losses.Custom(f) for a function of one's own, got "
                f"{_validate.kind(spec)}"
            )
        name = _validate.one_of("loss", spec, [*_KINDS, *_ALIASES])
        name = _ALIASES.get(name, name)
        parameter = _KINDS[name].parameter
    kind = _CUSTOM if function is not None else _KINDS[name]
    if kind.outputs is not None and output not in kind.outputs:
        meaning = "the logarithm of the rate" if name == "poisson" else "the outputs are logits"
        raise ValueError(
            f"loss: {name} expects an output layer with activation {' or '.join(kind.outputs)} "
            f"(identity: {meaning}), got {output!r}"
        )
    if smoothing and name not in _SMOOTHED:
        raise ValueError(f"label_smoothing: expected 0, for {name} has no labels; got {smoothing}")
    if ignore_index is not None:
        ignore_index = _validate.integer("ignore_index", ignore_index, minimum=-(2**63))
        if name != "sparse_categorical_crossentropy":
            raise ValueError(
                f"ignore_index: expected None, for targets of {name} are no integer labels; got "
                f"{ignore_index}"
            )
    return Loss(name, reduction, output, fusible, parameter, smoothing, ignore_index, function)


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
