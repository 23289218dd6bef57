"""Sequential: what people hold of a network. Each verb is done by the file of its matter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import losses, optimizers
from vgcore.flow import GradientFlow
from vgcore.layers.base import Layer, Shape
from vgcore.model import compiling, inference, inputs, passes, storage, training
from vgcore.model.history import Evaluation, History, Progress
from vgcore.model.parameters import Layout
from vgcore.model.session import Session
from vgcore.model.summary import Summary, summarize
from vgcore.treatment import Amplification, GradientNoise

if TYPE_CHECKING:
    from vgcore.theory.jacobian import Jacobian

Array = NDArray[Any]


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
    layers : tuple of Layer
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
        self.session = Session(layers, input_shape, dtype, seed)

    def __setattr__(self, name: str, value: Any) -> None:
        """Leave what a model was made of as it is."""
        made = name == "session" and name in self.__dict__
        if made or isinstance(getattr(Sequential, name, None), property):
            raise AttributeError(
                f"{name}: of a {type(self).__name__} it is read-only; make a new one"
            )
        super().__setattr__(name, value)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, input to output."""
        return self.session.layers

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample."""
        return self.session.input_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters and arithmetic."""
        return self.session.dtype

    @property
    def layout(self) -> Layout:
        """Where each parameter lies in the flat vectors."""
        return self.session.layout

    @property
    def step(self) -> int:
        """Optimizer steps done since `compile`."""
        return self.session.step

    @property
    def loss(self) -> losses.Loss:
        """The compiled loss; RuntimeError before `compile`."""
        return self.session.compiled.loss

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The compiled optimizer; RuntimeError before `compile`."""
        return self.session.compiled.optimizer

    @property
    def history(self) -> History | None:
        """The course of the last `fit`, as far as it came; None before the first."""
        return self.session.history

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
        on_nonfinite: Literal["warn", "raise", "stop", "ignore"] = "warn",
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
        on_nonfinite : {"warn", "raise", "stop", "ignore"}
            What to do at the first step whose loss or gradient is not finite. "raise" and "stop" do not apply
            it: parameters, the optimizer's state, statistics and carried states are those of the step before;
            "raise" raises FloatingPointError, "stop" warns and ends training. For that all updates wait until
            the whole gradient is known, as with ``clip_norm``. "warn" warns once per `fit`, or once since
            `compile` where training is by `train_on_batch`, and goes on: it looks at the loss of each step,
            and at the parameters when `fit` ends. The message names step, epoch, layer and timestep, as far
            as they can be known: of a step in checkpoints, of its first window.

        Raises
        ------
        TypeError, ValueError
            For an unknown name or a number out of range; the model stays as it was.
        """
        chosen = compiling.choose(
            self.session,
            loss=loss,
            optimizer=optimizer,
            reduction=reduction,
            tbptt=tbptt,
            checkpoint=checkpoint,
            on_nonfinite=on_nonfinite,
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
        with self.session.turn:
            self.session.compile(chosen)

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
        return training.fit(
            self.session,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            lengths=lengths,
            validation_data=validation_data,
            track=track,
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
        return passes.train_on_batch(self.session, x, y, lengths, initial_state)

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
        return passes.gradients(
            self.session,
            x,
            y,
            lengths=lengths,
            initial_state=initial_state,
            wrt_inputs=wrt_inputs,
        )

    def gradient_flow(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
    ) -> GradientFlow:
        """The gradient flow of one pass over the whole of x and y; nothing is updated."""
        return passes.gradient_flow(self.session, x, y, lengths, initial_state)

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
            (n, units), a pair (h, c) for an LSTM, a pair of entries for a bidirectional layer, a tuple
            of entries for a block or for the layers of ``num_layers``, or None.
            Stateful layers keep what they carry.
        return_state : bool
            Return (outputs, states), the states each sample ended in, in the same form.
        """
        return inference.predict(
            self.session,
            x,
            lengths=lengths,
            initial_state=initial_state,
            return_state=return_state,
        )

    def evaluate(
        self, x: ArrayLike, y: ArrayLike, *, lengths: ArrayLike | None = None
    ) -> Evaluation:
        """Loss and accuracy over the whole of x and y, from fresh states."""
        return inference.evaluate(self.session, inputs.with_targets(self.session, x, y, lengths))

    def reset_states(self) -> None:
        """Let stateful layers start anew, with any number of rows and timesteps."""
        with self.session.turn:
            self.session.carried = None

    def state_jacobian(
        self,
        x: ArrayLike,
        layer: str,
        lags: Iterable[int],
        *,
        lengths: ArrayLike | None = None,
        align: Literal["start", "end"] = "end",
        initial_state: Sequence[Any] | None = None,
    ) -> Jacobian:
        """Norms of dh_T/dh_{T-k} of a recurrent layer: how far back its last state can feel.

        The product of one-step Jacobians that Pascanu, Mikolov and Bengio 2013 (eq. 5 to 7) bound: where
        its norm falls with k gradients vanish, where it grows they explode. Of an LSTM it is taken with
        c_{T-k} held fixed.

        Parameters
        ----------
        x : array_like, (n, time, features) or integers (n, time)
        layer : str
            Name of an RNN, LSTM or GRU layer, as in ``flow.time``: "bidirectional1.forward" or ".backward",
            "lstm1.0" of a stack, "residual1.gru1" in a block.
        lags : iterable of int
            k, each 0 to time; h_0 before the first timestep is that of lag time. A walk backwards in time
            counts from where it ends, the first timestep: there it is dh at timestep 0 by dh at timestep k.
        lengths : array_like of int, (n,), optional
            As in `fit`: T is each sample's own last timestep.
        align : {"end", "start"}
            Which k steps of the walk: the last ones, or the first, dh_k/dh_0.
        initial_state : list, optional
            What the layers start from, as in `predict`.

        Returns
        -------
        Jacobian
            ``spectral`` and ``frobenius``, each (n, len(lags)); NaN where a sample has fewer than k
            timesteps.
        """
        from vgcore.theory import jacobian

        return jacobian.state_jacobian(
            self.session,
            x,
            layer,
            lags,
            lengths=lengths,
            align=align,
            initial_state=initial_state,
        )

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters by name: "dense1.weight" (out, in), "dense1.bias" (out,), ..."""
        return storage.state(self.session)

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Copy parameters in; NaN and infinity are taken as they are.

        Raises
        ------
        TypeError, KeyError, ValueError
            If names are missing or too many, or a shape differs, numbers are not real, too large for the
            model's dtype, or negative where they cannot be (``running_var``); nothing is changed then.
        """
        storage.load_state(self.session, state)

    def save(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None:
        """Write the model to exactly ``path``, one ``.npz`` file (no pickle).

        That is layers, parameters, loss, the optimizer and its state, where random numbers stand, and the
        states that stateful layers carry: `vgcore.load` gives a model that goes on with the same bits. A
        file that is there is replaced as a whole once the new one is complete, or not at all. Symbolic
        links are followed, the mode is kept, devices and pipes are written directly.

        Raises
        ------
        OSError
            If it cannot be written; the file that was there is as it was.
        TypeError, ValueError
            If ``path`` is no path, or the model has a schedule or a random generator of the user's own.
        """
        storage.save(self.session, path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as `save` and `load` do."""
        return storage.unpack, (storage.pack(self.session),)

    def summary(self, batch_size: int = 32, times: int | None = None) -> Summary:
        """Layers, shapes, parameters, and the memory that training with ``batch_size`` takes.

        ``times``: timesteps of the sequences, where ``input_shape`` leaves them open (100 if not given).

        Returns
        -------
        Summary
            Prints as a table; in a notebook or a shell it shows itself.
        """
        return summarize(self.session, batch_size, times)
