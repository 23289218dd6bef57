"""Sequential: a stack of layers, described in Python, run by the engine."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _inputs, _validate, losses, optimizers, storage, threads, training
from vgcore._core import simd
from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.history import Evaluation, History, Progress
from vgcore.layers.base import Layer, Shape
from vgcore.parameters import Layout
from vgcore.summary import Summary

Array = NDArray[Any]

_INFERENCE_BATCH = 256


class Sequential:
    """Layers one after the other.

    Parameters
    ----------
    layers : sequence of Layer
        Input to output; a layer belongs to one model.
    input_shape : int or tuple of int
        Shape of one sample.
    dtype : {"float32", "float64"}
    seed : int, None, numpy.random.SeedSequence or numpy.random.Generator
        Of the initial weights and of shuffling, as `numpy.random.default_rng` takes it.

    Attributes
    ----------
    layers : list of Layer
    input_shape : tuple of int
    dtype : numpy.dtype
    layout : Layout
        Where each parameter lies in the flat vectors.

    Raises
    ------
    TypeError, ValueError
        If there are no layers, a layer is used twice, two share a name, or shapes do not fit.

    Examples
    --------
    >>> import vgcore as vg
    >>> model = vg.Sequential([vg.Dense(30, "sigmoid"), vg.Dense(10, "softmax")], input_shape=64)
    >>> model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        input_shape: int | Shape,
        dtype: Any = "float32",
        seed: Any = None,
    ) -> None:
        self.input_shape = _shape(input_shape)
        self.dtype = _dtype(dtype)
        self._rng = _generator(seed)
        self.layers = _checked(layers)
        given_names = [layer.name for layer in self.layers]
        try:
            self._take_in()
        except BaseException:
            for layer, name in zip(self.layers, given_names, strict=True):
                layer.name, layer.views = name, {}
            raise
        self._loss: losses.Loss | None = None
        self._optimizer: optimizers.Optimizer | None = None
        self._clipping: dict[str, float] = {}
        self._program: Program | None = None
        self._step = 0

    def _take_in(self) -> None:
        """Name the layers, lay out their parameters and initialize them."""
        _name(self.layers)
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        self._shapes = shapes
        described = [
            layer.parameters(shape) for layer, shape in zip(self.layers, shapes, strict=False)
        ]
        self.layout = Layout(self.layers, described)
        self._values = self.layout.vector(self.dtype)
        self._gradients = self.layout.vector(self.dtype)
        self._states: list[Array] = []
        views = self.layout.views(self._values)
        for layer, mine in zip(self.layers, described, strict=True):
            layer.views = {p.name: views[f"{layer.name}.{p.name}"] for p in mine}
            for parameter in mine:
                layer.views[parameter.name][...] = parameter.initializer(
                    parameter.shape, self._rng, self.dtype
                )

    def compile(
        self,
        loss: str = "mse",
        optimizer: str | optimizers.Optimizer = "sgd",
        *,
        reduction: losses.Reduction = "mean",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        """Choose loss, optimizer and clipping; the optimizer's state starts anew.

        Parameters
        ----------
        loss : str
            A name of `vgcore.losses`.
        optimizer : str or Optimizer
        reduction : {"mean", "batchmean"}
            Of the loss over the outputs; see `vgcore.losses`.
        clip_norm : float, > 0, optional
            Scale the gradient of all parameters to this L2 norm where it is larger
            (torch.nn.utils.clip_grad_norm_'s formula).
        clip_value : float, > 0, optional
            Cut each element of the gradient to [-clip_value, clip_value].

        Raises
        ------
        TypeError, ValueError
            For an unknown name or a number out of range; the model stays as it was.
        """
        output = getattr(self.layers[-1], "activation", None)
        chosen = losses.get(loss, reduction, output.name if output else "identity")
        rule = optimizers.get(optimizer)
        clipping = {
            name: _validate.real(name, limit, above=0)
            for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value))
            if limit is not None
        }
        if len(clipping) == 2:
            raise ValueError("clip_value: expected either clip_norm or clip_value, got both")
        self._loss, self._optimizer, self._clipping = chosen, rule, clipping
        self._states = [self.layout.vector(self.dtype) for _ in rule.states]
        self._program = None
        self._step = 0

    @property
    def step(self) -> int:
        """Optimizer steps done since `compile`."""
        return self._program.time if self._program is not None else self._step

    @property
    def loss(self) -> losses.Loss:
        """The compiled loss; RuntimeError before `compile`."""
        if self._loss is None:
            raise RuntimeError(
                "the model has no loss yet: call compile(loss=..., optimizer=...) first"
            )
        return self._loss

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The compiled optimizer; RuntimeError before `compile`."""
        if self._optimizer is None:
            raise RuntimeError("the model has no optimizer yet: call compile(...) first")
        return self._optimizer

    def program(self, batch: int) -> Program:
        """The engine's program, planned for at least ``batch`` rows, at the current learning rate."""
        program = self._program
        if program is None or program.batch < batch or program.threads != threads.get_num_threads():
            if program is not None:
                self._step, batch = program.time, max(batch, program.batch)
            program = self._program = self._plan(batch)
            program.time = self._step
        if self._optimizer is not None:
            program.rate = self._optimizer.learning_rate
        return program

    def _plan(self, batch: int) -> Program:
        loss = self._loss or losses.get("mse", "mean", "identity")
        optimizer = self._optimizer or optimizers.SGD()
        update = {
            "rate": optimizer.learning_rate,
            "weight_decay": getattr(optimizer, "weight_decay", 0.0),
            "momentum": 0.0,
            "beta2": 0.0,
            "epsilon": 0.0,
            "correction1": 1.0,
            "correction2": 1.0,
            "nesterov": False,
            "gradient_scale": 1.0,
            "gradient_limit": self._clipping.get("clip_value", math.inf),
            **optimizer.numbers(),
        }
        return Program(
            [
                layer.operation(shape, self.dtype.itemsize)
                for layer, shape in zip(self.layers, self._shapes, strict=False)
            ],
            self.layout.offsets,
            self._values,
            self._gradients,
            self._states,
            batch=batch,
            loss=loss.code,
            sparse=loss.sparse,
            fused=loss.fused,
            apply_activation=loss.applies_activation,
            mean_over_outputs=loss.mean_over_outputs,
            rule=simd.RULES[optimizer.rule],
            update=update,
            clip_norm=self._clipping.get("clip_norm", math.inf),
            threads=threads.get_num_threads(),
        )

    def data(self, x: ArrayLike, y: ArrayLike, suffix: str = "") -> tuple[Array, Array]:
        """Inputs and targets as the engine reads them; see `vgcore._inputs` for what is refused."""
        samples = _inputs.numbers(f"x{suffix}", x, self.input_shape, self.dtype)
        units = self._shapes[-1][0]
        goals = _inputs.targets(f"y{suffix}", y, len(samples), units, self.loss, self.dtype)
        return samples, goals

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        track: GradientFlow | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> History:
        """Train for ``epochs`` passes over the samples.

        Parameters
        ----------
        x : array_like, (n, features)
        y : array_like, (n,) integer labels or (n, outputs), as the loss asks
        epochs : int, >= 1
        batch_size : int, >= 1
            The last minibatch of an epoch is smaller where it does not divide n.
        shuffle : bool
            Draw a new order of the samples each epoch, from the model's seed.
        validation_data : (x, y), optional
            Evaluated after each epoch.
        track : GradientFlow, optional
            Records the steps it wants.
        callback : callable, optional
            Called with a `Progress` about every 50 ms and after each epoch; training stops where it
            returns True.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            For bad data or arguments, before anything is changed.
        """
        if callback is not None and not callable(callback):
            raise TypeError(
                f"callback: expected a callable, got {callback!r} ({type(callback).__name__})"
            )
        _validate.boolean("shuffle", shuffle)
        return training.fit(
            self,
            self.data(x, y),
            self._rng if shuffle else None,
            epochs=_validate.integer("epochs", epochs, minimum=1),
            batch_size=_validate.integer("batch_size", batch_size, minimum=1),
            validation=_validation(self, validation_data),
            track=training.attached(track, self),
            callback=callback,
        )

    def train_on_batch(self, x: ArrayLike, y: ArrayLike) -> float:
        """One step on the whole of x and y; returns the loss before the update."""
        samples, goals = self.data(x, y)
        return self.program(len(samples)).train_batch(samples, goals)

    def gradients(self, x: ArrayLike, y: ArrayLike) -> tuple[float, dict[str, Array]]:
        """Loss and gradients of one pass over the whole of x and y; nothing is updated.

        Returns
        -------
        loss : float
        grads : dict of str to ndarray
            "dense1.weight", ...: dL/d parameter, of its shape.
        """
        samples, goals = self.data(x, y)
        loss = np.empty(1)
        self.program(len(samples)).train(
            samples, goals, None, loss, batch=len(samples), updating=False
        )
        return float(loss[0]), self.layout.copies(self._gradients)

    def gradient_flow(self, x: ArrayLike, y: ArrayLike) -> GradientFlow:
        """The gradient flow of one pass over the whole of x and y; nothing is updated."""
        samples, goals = self.data(x, y)
        flow = GradientFlow()
        flow.attach(self)
        training.run_steps(
            self, samples, goals, None, np.empty(1), batch=len(samples), updating=False, track=flow
        )
        return flow

    def predict(self, x: ArrayLike) -> Array:
        """Outputs (n, outputs) for x (n, features)."""
        samples = _inputs.numbers("x", x, self.input_shape, self.dtype)
        return self.forward(samples)

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Evaluation:
        """Loss and accuracy over the whole of x and y."""
        return training.evaluate(self, *self.data(x, y))

    def forward(
        self, x: Array, y: Array | None = None, sample_losses: Array | None = None
    ) -> Array:
        """Outputs for checked inputs; given checked targets, the loss of each sample is written."""
        outputs = np.empty((len(x), *self._shapes[-1]), self.dtype)
        self.program(min(len(x), _INFERENCE_BATCH)).forward(x, outputs, y, sample_losses)
        return outputs

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters by name: "dense1.weight" (out, in), "dense1.bias" (out,), ..."""
        return self.layout.copies(self._values)

    def load_state_dict(self, state: dict[str, ArrayLike]) -> None:
        """Copy parameters in.

        Raises
        ------
        KeyError, ValueError
            If names are missing or too many, or a shape differs or a number is not finite; nothing is
            changed then.
        """
        storage.load_arrays("state", self.layout.views(self._values), state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write layers, parameters, loss, optimizer and its state to one ``.npz`` file (no pickle)."""
        storage.save(self, path)

    def vectors(self) -> dict[str, Array]:
        """The flat vectors that make up the model's state: parameters, then the optimizer's."""
        states = self._optimizer.states if self._optimizer else ()
        return {"parameters": self._values, **dict(zip(states, self._states, strict=True))}

    def description(self) -> dict[str, Any]:
        """All of the model but its vectors, as JSON can hold it."""
        compiled = self._loss and {
            "loss": self._loss.name,
            "reduction": self._loss.reduction,
            "optimizer": self.optimizer.config(),
            **self._clipping,
        }
        return {
            "layers": [{"class": type(layer).__name__, **layer.config()} for layer in self.layers],
            "input_shape": self.input_shape,
            "dtype": self.dtype.name,
            "compiled": compiled,
            "step": self.step,
            "rng": self._rng.bit_generator.state,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as `save` and `load` do."""
        return storage.unpack, (storage.pack(self),)

    def resume(self, step: int, rng_state: dict[str, Any]) -> None:
        """Go on from a saved description: the steps done, and the state of the random generator."""
        self._step = _validate.integer("step", step, minimum=0)
        bit_generator = getattr(np.random, rng_state["bit_generator"])()
        bit_generator.state = rng_state
        self._rng = np.random.Generator(bit_generator)

    def summary(self, batch_size: int = 32) -> Summary:
        """Layers, shapes, parameters, and the memory that training with ``batch_size`` takes.

        Returns
        -------
        Summary
            Prints as a table; in a notebook or a shell it shows itself.
        """
        batch = _validate.integer("batch_size", batch_size, minimum=1)
        rows = [
            (
                str(layer.name),
                type(layer).__name__,
                shape,
                sum(v.size for v in layer.views.values()),
            )
            for layer, shape in zip(self.layers, self._shapes[1:], strict=True)
        ]
        vectors = 2 + len(self._states)
        return Summary(
            rows,
            self.layout.count,
            vectors * self._values.nbytes,
            self._plan(batch).arena_bytes,
            batch,
        )


def _checked(layers: Sequence[Layer]) -> list[Layer]:
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers: expected a sequence of layers, got {type(layers).__name__}")
    layers = list(layers)
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers: expected layers, got {layer!r} ({type(layer).__name__})")
        if layer.views:
            raise ValueError(f"layers: {layer.name} already belongs to a model; make a new layer")
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValueError("layers: expected each layer once, got the same one twice")
    return layers


def _name(layers: list[Layer]) -> None:
    """Name the layers that have no name after their kind and number."""
    taken = [layer.name for layer in layers if layer.name is not None]
    repeated = {name for name in taken if taken.count(name) > 1}
    if repeated:
        raise ValueError(
            f"layers: expected distinct names, got {', '.join(sorted(repeated))} twice"
        )
    counts: dict[str, int] = {}
    for layer in layers:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        if layer.name is None:
            layer.name = f"{layer.kind}{counts[layer.kind]}"
            if layer.name in taken:
                raise ValueError(
                    f"layers: the name {layer.name!r} is given to one layer and due to another"
                )


def _shape(input_shape: int | Shape) -> Shape:
    if isinstance(input_shape, tuple):
        return tuple(_validate.integer("input_shape", n, minimum=1) for n in input_shape)
    if not isinstance(input_shape, int | np.integer):
        came = f"{input_shape!r} ({type(input_shape).__name__})"
        raise TypeError(f"input_shape: expected an integer or a tuple of them, got {came}")
    return (_validate.integer("input_shape", input_shape, minimum=1),)


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        chosen: np.dtype[Any] = np.dtype(object if dtype is None else dtype)
    except TypeError:
        chosen = np.dtype(object)
    if chosen.name not in ("float32", "float64") or not chosen.isnative:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}")
    return chosen


def _generator(seed: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = "an integer of at least 0, None, or what numpy.random.default_rng takes"
        raise type(error)(f"seed: expected {expected}, got {seed!r}") from error


def _validation(
    model: Sequential, pair: tuple[ArrayLike, ArrayLike] | None
) -> tuple[Array, Array] | None:
    if pair is None:
        return None
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        came = f"{len(pair)} items" if isinstance(pair, tuple | list) else type(pair).__name__
        raise TypeError(f"validation_data: expected a pair (x, y), got {came}")
    return model.data(*pair, suffix=" of validation_data")
