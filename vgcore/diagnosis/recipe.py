"""A recipe: what a network is made of and fed with, apart from its numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import losses
from vgcore.diagnosis import writing
from vgcore.diagnosis.preparation import Data, Step
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential
from vgcore.model.compiling import Compiled

Array = NDArray[Any]

_DRAWS = 5  # that a start is compared with
_RATIO = 1.5  # of root mean squares: beyond it parameters were not drawn as the layer says


@dataclass(frozen=True)
class Recipe:
    """What a network is made of and fed with.

    Attributes
    ----------
    layers : tuple of Layer
        They belong to nobody.
    input_shape : tuple of int
    dtype : numpy.dtype
    compiling : dict
        Arguments of `Sequential.compile`, those that are not as by default.
    fitting : dict
        Arguments of `Sequential.fit`: "batch_size" and, where there are any, "class_weight", "shuffle", ...
    preparation : tuple of Step
        What is done to data before.
    takes_lengths : bool
        Whether sequences come with their lengths.
    kept : dict of str to ndarray
        Parameters that were set by hand, by name; no draw replaces them.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    dtype: np.dtype[Any]
    compiling: Mapping[str, Any]
    fitting: Mapping[str, Any]
    preparation: tuple[Step, ...] = ()
    takes_lengths: bool = False
    kept: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(
        cls, model: Sequential, *, batch_size: int = 32, takes_lengths: bool = False, **fitting: Any
    ) -> Recipe:
        """The recipe of a compiled model, which stays as it is.

        Parameters of a model that has not been trained were set by hand where their root mean square is
        off that of draws by half, or they are one number where draws are not.

        Parameters
        ----------
        model : Sequential
        batch_size : int
        **fitting
            Other arguments of `Sequential.fit` that are no data.
        """
        layers = tuple(layer.copy() for layer in model.layers)
        anonymous(layers)
        recipe = cls(
            layers,
            model.input_shape,
            model.dtype,
            _compiling(model.session.compiled),
            {"batch_size": batch_size, **fitting},
            takes_lengths=takes_lengths,
        )
        return recipe if model.step else replace(recipe, kept=recipe._set_by_hand(model))

    def _set_by_hand(self, model: Sequential) -> dict[str, Array]:
        drawn = [self._drawn(seed).state_dict() for seed in range(_DRAWS)]
        found = {}
        for name, value in model.state_dict().items():
            draws = [each[name] for each in drawn]
            sizes = [_rms(draw) for draw in draws]
            off = not min(sizes) / _RATIO <= _rms(value) <= max(sizes) * _RATIO
            if off or (_is_constant(value) and not any(map(_is_constant, draws))):
                found[name] = np.array(value)
        return found

    def _drawn(self, seed: Any) -> Sequential:
        return Sequential(
            [layer.copy() for layer in self.layers],
            input_shape=self.input_shape,
            dtype=self.dtype,
            seed=seed,
        )

    def build(self, seed: Any = None, **compiling: Any) -> Sequential:
        """A compiled network from fresh draws; ``compiling``: arguments of `compile` in place of its own."""
        model = self._drawn(seed)
        state = model.state_dict()
        fits = {
            name: value
            for name, value in self.kept.items()
            if name in state and state[name].shape == value.shape
        }
        if fits:
            model.load_state_dict({**state, **fits})
        model.compile(**{**self.compiling, **compiling})
        return model

    def prepare(
        self, x: ArrayLike, y: ArrayLike | None = None, lengths: ArrayLike | None = None
    ) -> Data:
        """x, y and lengths as the network is to be fed with them."""
        data: Data = np.asarray(x), _array(y), _array(lengths)
        for step in self.preparation:
            data = step.apply(*data)
        return data

    def restored(self, outputs: Array) -> Array:
        """A network's outputs in the units of the targets that it was given."""
        for step in reversed(self.preparation):
            outputs = step.restored(outputs)
        return outputs

    def fitted(self, x: Array, y: Array, lengths: Array | None = None) -> Recipe:
        """The same, each step of the preparation fitted to these data."""
        recipe = replace(self, preparation=())
        for step in self.preparation:
            recipe = recipe.prepared_by(step, x, y, lengths)
        return recipe

    def prepared_by(self, step: Step, x: Array, y: Array, lengths: Array | None) -> Recipe:
        """With one more step, fitted to data."""
        fitted = step.fitted(*self.prepare(x, y, lengths))
        return replace(self, preparation=(*self.preparation, fitted))

    def of_layers(self, layers: Iterable[Layer], *, fresh: bool = False) -> Recipe:
        """With other layers; ``fresh``: drawn anew, whatever was set by hand."""
        kept = {} if fresh else self.kept
        return replace(self, layers=tuple(layers), kept=kept)

    def compiled_with(self, **compiling: Any) -> Recipe:
        """With other arguments of `compile`; None takes one back to its default."""
        given = {**self.compiling, **compiling}
        return replace(self, compiling={k: v for k, v in given.items() if v is not None})

    def fed_with(self, **fitting: Any) -> Recipe:
        """With other arguments of `fit`."""
        return replace(self, fitting={**self.fitting, **fitting})

    @property
    def names_layers(self) -> bool:
        """Whether anything but the layers themselves goes by their names."""
        treated = (self.compiling.get(name) for name in ("learning_rates", "frozen", "amplify"))
        return any(map(bool, treated))

    def code(self, *, epochs: int = 10) -> str:
        """The lines that make it, of arrays that are called x, y and, where there are any, lengths."""
        return writing.code(self, epochs)


def anonymous(layers: Sequence[Layer]) -> None:
    """Take the names that a model or a block gives by itself from layers that belong to nobody."""
    for layer in writing.automatic(layers):
        layer.name = None


def _compiling(chosen: Compiled) -> dict[str, Any]:
    """The arguments of `compile` that chose it, those that are not as by default."""
    loss, treatment = chosen.loss, chosen.treatment
    given = {
        "loss": losses.named(loss.spec())
        if loss.function is None
        else losses.Custom(loss.function),
        "optimizer": chosen.optimizer,
        "reduction": loss.reduction,
        "ignore_index": loss.ignore_index,
        "label_smoothing": loss.label_smoothing,
        "metrics": chosen.metrics,
        **treatment.clipping,
        "noise": treatment.noise,
        "amplify": treatment.amplify,
        "learning_rates": treatment.learning_rates or None,
        "frozen": treatment.frozen,
        "decay": treatment.decay,
        "tbptt": chosen.tbptt,
        "checkpoint": chosen.checkpoint,
        "on_nonfinite": chosen.on_nonfinite,
    }
    known = inspect.signature(Sequential.compile).parameters
    always = ("loss", "optimizer")
    return {
        name: value
        for name, value in given.items()
        if name in always or value != known[name].default
    }


def _array(value: ArrayLike | None) -> Array | None:
    return None if value is None else np.asarray(value)


def _rms(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))


def _is_constant(value: Array) -> bool:
    return value.size > 1 and bool(np.all(value == value.flat[0]))
