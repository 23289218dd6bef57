"""Sequential: a stack of layers, described in Python, run by the engine."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import (
    _inputs,
    _making,
    _validate,
    jacobian,
    losses,
    optimizers,
    planning,
    states,
    storage,
    threads,
    training,
    treatment,
)
from vgcore._core.program import Program
from vgcore._inputs import Data
from vgcore.flow import GradientFlow
from vgcore.history import Evaluation, History, Progress
from vgcore.layers.base import TIMESTEPS, Layer, Shape, describe, name_layers, places
from vgcore.parameters import Layout
from vgcore.summary import Summary
from vgcore.treatment import Amplification, GradientNoise

Array = NDArray[Any]


class InputGradients(NamedTuple):
    """What `Sequential.gradients` adds with ``wrt_inputs``.

    Attributes
    ----------
    x : ndarray or None
        dL/dx, of the shape of x; None where x are integers.
    initial_state : list
        dL/d initial state of each recurrent layer, as `Sequential.predict` takes them.
    """

    x: Array | None
    initial_state: list[Any]


class Sequential:
    """Layers one after the other.

    Parameters
    ----------
    layers : sequence of Layer
        Input to output; a layer belongs to one model.
    input_shape : int or tuple
        Shape of one sample: features, (time, features), or (time,) before an `Embedding`. A time of None
        leaves it to each call.
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
        self.input_shape = _making.shape(input_shape)
        self.dtype = _making.dtype(dtype)
        self._rng = _making.generator(seed)
        self.layers = _making.layers(layers)
        given_names = [layer.name for layer in self.layers]
        try:
            self._take_in()
        except BaseException:
            for layer, name in zip(self.layers, given_names, strict=True):
                layer.name = name
                layer.adopt({})
            raise
        self._compiled: planning.Compiled | None = None
        self._program: Program | None = None
        self._forward_program: Program | None = None
        self._step = 0
        self.stateful = any(layer.stateful for layer in self.layers)
        self._meets = any(layer.meets for layer in self.layers)
        self.carried: training.Carried | None = None

    def _take_in(self) -> None:
        """Name the layers, lay out their parameters and initialize them."""
        name_layers(self.layers)
        shapes = [self.input_shape]
        for layer in self.layers:
            if layer.vocabulary is not None and layer is not self.layers[0]:
                raise ValueError(
                    f"layers: expected {layer.name} as the first layer, it takes integers"
                )
            shapes.append(layer.output_shape(shapes[-1]))
        self._shapes = shapes
        described = [
            layer.parameters(shape) for layer, shape in zip(self.layers, shapes, strict=False)
        ]
        self.layout = Layout(self.layers, described)
        self._values = self.layout.vector(self.dtype)
        self._gradients = self.layout.vector(self.dtype)
        self._seed = int(copy.deepcopy(self._rng).integers(2**63))
        self._states: list[Array] = []
        views = self.layout.views(self._values)
        for layer, mine in zip(self.layers, described, strict=True):
            layer.adopt({p.name: views[f"{layer.name}.{p.name}"] for p in mine})
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
        clip_layer_norm: float | None = None,
        clip_adaptive: float | None = None,
        noise: GradientNoise | None = None,
        amplify: Amplification | Sequence[Amplification] = (),
        learning_rates: Mapping[str, float] | None = None,
        frozen: Sequence[str] = (),
        tbptt: int | None = None,
        checkpoint: int | str | None = "auto",
    ) -> None:
        """Choose loss, optimizer, treatment of gradients and how time is cut.

        The optimizer's state starts anew. A gradient is amplified, then clipped, then noise is added;
        the four ways to clip exclude each other. Names of layers are those of layers with parameters,
        such as "dense1"; that of a block, "residual1", stands for all layers in it.

        Parameters
        ----------
        loss : str
            A name of `vgcore.losses`.
        optimizer : str or Optimizer
        reduction : {"mean", "batchmean"}
            Of the loss over the outputs; see `vgcore.losses`.
        clip_norm : float, > 0, optional
            Scale the gradient g of all parameters to this L2 norm c where it is larger:
            ``g *= min(1, c / (norm(g) + 1e-6))`` (Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063,
            algorithm 1, as torch.nn.utils.clip_grad_norm_ has it).
        clip_value : float, > 0, optional
            Cut each element of the gradient to [-clip_value, clip_value].
        clip_layer_norm : float, > 0, optional
            The formula of ``clip_norm`` for each layer's parameters by themselves; the directions of a
            bidirectional layer are two.
        clip_adaptive : float, > 0, optional
            Scale the gradient of each unit's weights to this multiple of their norm where it is larger:
            ``G_i *= min(1, clip_adaptive max(norm(W_i), 1e-3) / norm(G_i))`` (Brock et al. 2021, arXiv
            2102.06171, eq. 3). i is a row of a weight (out, in) or a filter; a bias or another vector is
            one unit, and of an `Embedding` each of its outputs is. The last layer is clipped, too.
        noise : GradientNoise, optional
        amplify : Amplification or sequence of them, optional
            Their factors multiply where they meet.
        learning_rates : dict of str to float, > 0, optional
            Factors of the optimizer's learning rate by layer; they multiply where they meet.
        frozen : sequence of str, optional
            Layers that are left as they are, and the optimizer's state and running statistics with them:
            their gradients are computed and recorded, but are no part of the norm that is clipped.
        tbptt : int, >= 1, optional
            Truncated backpropagation through time (Williams and Peng 1990): sequences are cut into chunks
            of so many timesteps, states are carried over from chunk to chunk and gradients are not. With
            targets at every timestep each chunk is a step of its own; with targets at the end alone the
            gradient reaches back through the last chunk.
        checkpoint : "auto", int or None
            Keep states every so many timesteps only and compute the rest again on the way back (Chen et
            al. 2016): less memory, a third more time, the same bits. "auto": every sqrt(T), where
            training would otherwise take more than half a GiB; None: never.

        Raises
        ------
        TypeError, ValueError
            For an unknown name or a number out of range; the model stays as it was.
        """
        last = self.layers[-1]
        chosen = losses.get(loss, reduction, last.output_activation, last.fuses_loss)
        rule = optimizers.get(optimizer)
        treated = treatment.make(
            self.layout,
            clipping={
                "clip_norm": clip_norm,
                "clip_value": clip_value,
                "clip_layer_norm": clip_layer_norm,
                "clip_adaptive": clip_adaptive,
            },
            noise=noise,
            amplify=amplify,
            learning_rates={} if learning_rates is None else learning_rates,
            frozen=frozen,
        )
        self._check_time(tbptt, checkpoint)
        self._compiled = planning.Compiled(chosen, rule, treated, tbptt, checkpoint)
        self._states = [self.layout.vector(self.dtype) for _ in rule.states]
        for vector, value in zip(self._states, rule.states.values(), strict=True):
            vector.fill(value)
        self._program = self._forward_program = None
        self._step = 0

    def _check_time(self, tbptt: int | None, checkpoint: int | str | None) -> None:
        stack = self.stack
        cutting = {}
        if tbptt is not None:
            cutting["tbptt"] = _validate.integer("tbptt", tbptt, minimum=1)
        if isinstance(checkpoint, str):
            _validate.one_of("checkpoint", checkpoint, ("auto",))
        elif checkpoint is not None:
            cutting["checkpoint"] = _validate.integer("checkpoint", checkpoint, minimum=1)
        if len(cutting) == 2:
            raise ValueError("checkpoint: expected either tbptt or checkpoint, got both")
        for argument, steps in cutting.items():
            if not stack.takes_time or not stack.may_checkpoint():
                raise ValueError(
                    f"{argument}: expected None, for the model "
                    f"{'needs all of time at once' if stack.takes_time else 'takes no sequences'}; got "
                    f"{steps}"
                )

    @property
    def step(self) -> int:
        """Optimizer steps done since `compile`."""
        return self._program.time if self._program is not None else self._step

    @property
    def compiled(self) -> planning.Compiled:
        """What `compile` chose; RuntimeError before it."""
        if self._compiled is None:
            raise RuntimeError(
                "the model has no loss yet: call compile(loss=..., optimizer=...) first"
            )
        return self._compiled

    @property
    def loss(self) -> losses.Loss:
        """The compiled loss; RuntimeError before `compile`."""
        return self.compiled.loss

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The compiled optimizer; RuntimeError before `compile`."""
        return self.compiled.optimizer

    @property
    def gives_time(self) -> bool:
        """Whether there is an output for every timestep."""
        return places(self._shapes[-1]) == TIMESTEPS

    @property
    def stack(self) -> planning.Stack:
        """The layers as they are planned."""
        vectors = self._values, self._gradients, self._states
        return planning.Stack(self.layers, self._shapes, self.layout.offsets, vectors, self._seed)

    def program(self, batch: int, times: int = 1, epoch: int | None = None) -> Program:
        """The engine's program at the current learning rate, for at least so many rows and timesteps.

        ``epoch``: of `fit`, for what acts in some epochs.
        """
        program = self._program
        if program is None or not _fits(program, batch, times):
            if program is not None:
                self._step = program.time
                batch, times = max(batch, program.batch), max(times, program.longest)
            program = self._program = self.stack.program(self._planned(), batch, times)
            program.time = self._step
        if self._compiled is not None:
            program.rate = self._compiled.course.rate(program.time)
            if self._compiled.treatment.amplify:
                operations = len(self.layout.offsets)
                program.amplify(self._compiled.treatment.amplification(operations, epoch))
        return program

    def forward_program(self, batch: int, times: int) -> Program:
        """A program to run forward alone: another than that of training, if that is too small.

        A larger plan would make training slower, were it left to train with.
        """
        if self._program is not None and _fits(self._program, batch, times):
            return self._program
        if self._forward_program is None or not _fits(self._forward_program, batch, times):
            self._forward_program = self.stack.program(self._planned(), batch, times)
        return self._forward_program

    def _planned(self) -> planning.Compiled:
        """What is compiled, or what stands in for it where there is only forward."""
        return self._compiled or planning.forward_only()

    def inputs(self, x: ArrayLike, lengths: ArrayLike | None = None, suffix: str = "") -> Data:
        """Inputs as the engine reads them; see `vgcore._inputs` for what is refused."""
        vocabulary = self.layers[0].vocabulary
        if vocabulary is None:
            samples = _inputs.numbers(f"x{suffix}", x, self.input_shape, self.dtype)
        else:
            samples = _inputs.integers(f"x{suffix}", x, self.input_shape, vocabulary)
        if lengths is None:
            return Data(samples, None, None)
        if not self.stack.takes_time:
            raise ValueError(f"lengths{suffix}: expected None, for the model takes no sequences")
        fixing = [layer.name for layer in self.layers if layer.fixes_time]
        if fixing:
            raise ValueError(
                f"lengths{suffix}: expected None, for {fixing[0]} makes sequences of another length"
            )
        valid = _inputs.lengths(f"lengths{suffix}", lengths, *samples.shape[:2])
        return Data(samples, None, valid)

    def data(
        self, x: ArrayLike, y: ArrayLike, lengths: ArrayLike | None = None, suffix: str = ""
    ) -> Data:
        """Inputs and targets as the engine reads them."""
        loss = self.loss
        samples, _, valid = self.inputs(x, lengths, suffix)
        shape = self.output_shape(samples)
        return Data(samples, _inputs.targets(f"y{suffix}", y, shape, loss, self.dtype), valid)

    def _training_data(
        self, x: ArrayLike, y: ArrayLike, lengths: ArrayLike | None, batch_size: int | None = None
    ) -> Data:
        """`data` to train with in minibatches of ``batch_size``, or all at once."""
        data = self.data(x, y, lengths)
        if not self._meets:
            return data
        rows = len(data.x) % batch_size or batch_size if batch_size else len(data.x)
        times = data.times if data.lengths is None else int(data.lengths.min())
        for layer, shape in zip(self.layers, self._shapes, strict=False):
            least = layer.least_rows(shape, times)
            if rows < least:
                raise ValueError(
                    f"{'batch_size' if batch_size else 'x'}: expected minibatches of at least {least} "
                    f"samples, for {layer.name} takes statistics over them; got one of {rows}"
                )
        return data

    def output_shape(self, x: Array) -> tuple[int, ...]:
        """Shape of the outputs for checked inputs."""
        return (len(x), *(x.shape[1] if size is None else size for size in self._shapes[-1]))

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        lengths: ArrayLike | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        track: GradientFlow | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> History:
        """Train for ``epochs`` passes over the samples.

        Parameters
        ----------
        x : array_like, (n, features), (n, time, features), or integers (n, time)
        y : array_like
            (n,) integer labels or (n, outputs), as the loss asks; where the last layer gives sequences,
            (n, time) labels or (n, time, outputs).
        epochs : int, >= 1
        batch_size : int, >= 1
            The last minibatch of an epoch is smaller where it does not divide n.
        shuffle : bool
            Draw a new order of the samples each epoch, from the model's seed.
        lengths : array_like of int, (n,), optional
            Valid timesteps of each sample, 1 to time; what is behind them is padding: it has no part in
            losses, gradients, norms and final states, but must be finite numbers, or integers in range.
        validation_data : (x, y) or (x, y, lengths), optional
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
        batch_size = _validate.integer("batch_size", batch_size, minimum=1)
        data = self._training_data(x, y, lengths, batch_size)
        if self.stateful:
            if shuffle:
                raise ValueError(
                    "shuffle: expected False, for a stateful layer needs its rows in order"
                )
            if len(data.x) % min(batch_size, len(data.x)):
                raise ValueError(
                    f"batch_size: expected a divisor of the {len(data.x)} samples, for a stateful layer "
                    f"needs whole minibatches; got {batch_size}"
                )
        return training.fit(
            self,
            data,
            self._rng if shuffle else None,
            epochs=_validate.integer("epochs", epochs, minimum=1),
            batch_size=batch_size,
            validation=_validation(self, validation_data),
            track=training.attached(track, self),
            callback=callback,
        )

    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
    ) -> float:
        """One step on the whole of x and y; returns the loss before the update.

        With ``tbptt`` and targets at every timestep it is a step per chunk; the loss is their mean.
        ``lengths`` as in `fit`, ``initial_state`` as in `predict`.
        """
        data = self._training_data(x, y, lengths)
        if lengths is None and initial_state is None and not self.stateful:
            program = self.program(len(data.x), data.times)
            if program.longest == program.times >= data.times and not self.compiled.tbptt:
                return program.train_batch(data.x, data.y)
        result = training.whole_batch(self, data, initial_state, updating=True)
        return result.loss

    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
        wrt_inputs: bool = False,
    ) -> Any:
        """Loss and gradients of one pass over the whole of x and y; nothing is updated.

        Parameters
        ----------
        x, y, lengths
            As in `fit`.
        initial_state : list, optional
            As in `predict`.
        wrt_inputs : bool
            Whether to return the third result, too.

        Returns
        -------
        loss : float
        grads : dict of str to ndarray
            "dense1.weight", ...: dL/d parameter, of its shape.
        inputs : InputGradients
            With ``wrt_inputs``: dL/dx, and that of the initial states.
        """
        _validate.boolean("wrt_inputs", wrt_inputs)
        data = self._training_data(x, y, lengths)
        result = training.whole_batch(
            self, data, initial_state, updating=False, wrt_inputs=wrt_inputs
        )
        copies = self.layout.copies(self._gradients)
        grads = {name: copies[name] for name in self.layout.trained}
        if not wrt_inputs:
            return result.loss, grads
        nested = states.nested(self.layers, result.state_gradients)
        return result.loss, grads, InputGradients(result.input_gradient, nested)

    def gradient_flow(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
    ) -> GradientFlow:
        """The gradient flow of one pass over the whole of x and y; nothing is updated."""
        data = self._training_data(x, y, lengths)
        flow = GradientFlow()
        flow.attach(self)
        training.whole_batch(self, data, initial_state, updating=False, track=flow)
        return flow

    def predict(
        self,
        x: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
        return_state: bool = False,
    ) -> Any:
        """Outputs for x: (n, outputs), or (n, time, outputs) where the last layer gives sequences.

        Parameters
        ----------
        x, lengths
            As in `fit`; outputs behind a sample's length are 0.
        initial_state : list, optional
            What the recurrent layers start from instead of their own: one entry per layer, an array
            (n, units), a pair (h, c) for an LSTM, a pair of entries for a bidirectional layer, or None.
            Stateful layers keep what they carry.
        return_state : bool
            Return (outputs, states), the states each sample ended in, in the same form.
        """
        _validate.boolean("return_state", return_state)
        data = self.inputs(x, lengths)
        outputs, final = training.predict(self, data, initial_state)
        return (outputs, states.nested(self.layers, final)) if return_state else outputs

    def evaluate(
        self, x: ArrayLike, y: ArrayLike, *, lengths: ArrayLike | None = None
    ) -> Evaluation:
        """Loss and accuracy over the whole of x and y, from fresh states."""
        return training.evaluate(self, self.data(x, y, lengths))

    def reset_states(self) -> None:
        """Let stateful layers start anew, with any number of rows and timesteps."""
        self.carried = None

    def state_jacobian(self, x: ArrayLike, layer: str, lags: Iterable[int]) -> jacobian.Jacobian:
        """Norms of dh_T/dh_{T-k} of a recurrent layer: how far back its last state can feel.

        The product of one-step Jacobians that Pascanu, Mikolov and Bengio 2013 (eq. 5 to 7) bound: where
        its norm falls with k gradients vanish, where it grows they explode. Of an LSTM it is taken with
        c_{T-k} held fixed.

        Parameters
        ----------
        x : array_like, (n, time, features) or integers (n, time)
        layer : str
            Name of an RNN, LSTM or GRU layer.
        lags : iterable of int
            k, each 0 to time; h_0 before the first timestep is that of lag time.

        Returns
        -------
        Jacobian
            ``spectral`` and ``frobenius``, each (n, len(lags)).
        """
        return jacobian.norms(self, self.inputs(x), layer, lags)

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters by name: "dense1.weight" (out, in), "dense1.bias" (out,), ..."""
        return self.layout.copies(self._values)

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
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
        names = self._compiled.optimizer.states if self._compiled else ()
        return {"parameters": self._values, **dict(zip(names, self._states, strict=True))}

    def description(self) -> dict[str, Any]:
        """All of the model but its vectors, as JSON can hold it."""
        compiled = self._compiled and self._compiled.config()
        return {
            "layers": [describe(layer) for layer in self.layers],
            "input_shape": self.input_shape,
            "dtype": self.dtype.name,
            "compiled": compiled,
            "step": self.step,
            "plateau": self._compiled and self._compiled.course.seen,
            "rng": self._rng.bit_generator.state,
            "seed": self._seed,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as `save` and `load` do."""
        return storage.unpack, (storage.pack(self),)

    def resume(
        self, step: int, plateau: list[Any] | None, rng_state: dict[str, Any], seed: int
    ) -> None:
        """Go on from a saved description: the steps done, what the schedule of learning rates has seen, and
        what random numbers come from.
        """
        if self._compiled is not None:
            self._compiled.course.resume(plateau)
        self._seed = seed
        self._step = _validate.integer("step", step, minimum=0)
        bit_generator = getattr(np.random, rng_state["bit_generator"])()
        bit_generator.state = rng_state
        self._rng = np.random.Generator(bit_generator)

    def summary(self, batch_size: int = 32, times: int | None = None) -> Summary:
        """Layers, shapes, parameters, and the memory that training with ``batch_size`` takes.

        ``times``: timesteps of the sequences, where ``input_shape`` leaves them open (100 if not given).

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
        given = self.input_shape[0] if self.stack.takes_time else 1
        steps = _validate.integer("times", given or times or 100, minimum=1)
        program = self.stack.program(self._planned(), batch, steps)
        return Summary(
            rows,
            self.layout.count,
            vectors * self._values.nbytes,
            program.arena_bytes,
            batch,
        )


def _fits(program: Program, batch: int, times: int) -> bool:
    """Whether a program can run minibatches of so many rows and timesteps, as many threads as wanted."""
    return (
        program.batch >= batch
        and program.longest >= times
        and program.threads >= threads.get_num_threads()
    )


def _validation(model: Sequential, given: tuple[ArrayLike, ...] | None) -> Data | None:
    if given is None and model.compiled.course.monitored == "val_loss":
        raise ValueError(
            "validation_data: expected (x, y), for the learning rate is reduced on val_loss; got None"
        )
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        came = f"{len(given)} items" if isinstance(given, tuple | list) else type(given).__name__
        raise TypeError(
            f"validation_data: expected a pair (x, y) or a triple with lengths, got {came}"
        )
    lengths = given[2] if len(given) == 3 else None
    return model.data(given[0], given[1], lengths, " of validation_data")
