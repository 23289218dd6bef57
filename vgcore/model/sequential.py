"""Sequential: what people hold of a network. Each verb is done by the file of its matter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _answers, losses, optimizers
from vgcore.flow import GradientFlow, Internals
from vgcore.layers.base import Layer, Shape
from vgcore.metrics import Metric
from vgcore.model import compiling, inference, internals, passes, storage, training
from vgcore.model.history import Evaluation, History
from vgcore.model.parameters import Layout
from vgcore.model.session import Session
from vgcore.model.summary import Summary, summarize, summary_html
from vgcore.treatment import Amplification, GradientNoise

if TYPE_CHECKING:
    from vgcore.diagnosis import Diagnosis
    from vgcore.theory.jacobian import Jacobian

Array = NDArray[Any]


@_answers.answering_methods(
    "__init__", "compile", "fit", "predict", "evaluate", "gradients", "summary"
)
class Sequential:
    """Layers one after the other.

    Parameters
    ----------
    layers : sequence of Layer
        Input to output; a layer belongs to one model.
    input_shape : int or tuple
        Shape of one sample: features, (time, features), (channels, height, width), or (time,) before an
        `Embedding`. A time of None
        leaves it to each call.
    dtype : {"float32", "float64"}
    seed : int, None, numpy.random.SeedSequence or numpy.random.Generator
        Of the initial weights and of shuffling, as `numpy.random.default_rng` takes it. Inputs are better
        drawn from another seed: those of the same one are made of the numbers that the weights are made of.

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
        """Leave what a model was made of as it is; what other libraries set on a model means nothing here."""
        made = name == "session" and name in self.__dict__
        if made or isinstance(getattr(Sequential, name, None), property):
            raise AttributeError(
                f"{name}: of a {type(self).__name__} it is read-only; make a new one"
            )
        hint = _answers.member(self, name)
        if hint:
            raise AttributeError(f"{name}: a {type(self).__name__} has no such attribute{hint}")
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # for whom there is nothing but what is declared
        __getattr__ = _answers.refuse_member

    def __repr__(self) -> str:
        """Show the layers, and what it is compiled with."""
        layers = ",\n".join(f"    {layer!r}" for layer in self.layers)
        chosen = self.session.chosen
        compiled = "" if chosen is None else f"  # {chosen.loss.name}, {chosen.optimizer!r}"
        return f"Sequential([\n{layers},\n], input_shape={self.input_shape}){compiled}"

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        return summary_html(self.session)

    def __dir__(self) -> list[str]:
        """What users read and call."""
        return [
            name for name in super().__dir__() if not name.startswith("_") and name != "session"
        ]

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
        loss: str | losses.Huber | losses.Custom = "mse",
        optimizer: str | optimizers.Optimizer = "sgd",
        *,
        reduction: losses.Reduction = "mean",
        metrics: Iterable[str | Metric] = (),
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        clip_layer_norm: float | None = None,
        clip_adaptive: float | None = None,
        noise: GradientNoise | None = None,
        amplify: Amplification | Sequence[Amplification] = (),
        learning_rates: Mapping[str, float] | None = None,
        frozen: Sequence[str] = (),
        decay: Literal["all", "weights"] = "all",
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
        loss : str, Huber or Custom
            A name of `vgcore.losses`, a loss of its own arguments, or a function of one's own.
        optimizer : str or Optimizer
        reduction : {"mean", "batchmean"}
            Of the loss over the outputs; see `vgcore.losses`.
        metrics : sequence of str or Metric
            Names of `vgcore.metrics` that `fit` and `evaluate` tell beside the loss; accuracy comes with
            losses of classes by itself.
        ignore_index : int, optional
            Integer label whose targets have no part in the loss, its divisor, and metrics; for
            sparse_categorical_crossentropy (torch.nn.CrossEntropyLoss has -100).
        label_smoothing : float, 0 <= label_smoothing < 1
            e in ``(1 - e) y + e / classes`` for cross-entropies of classes, ``(1 - e) y + e / 2`` for
            binary ones (Szegedy et al. 2016, arXiv 1512.00567, section 7).
        clip_norm : float, > 0, optional
            Scale the gradient g of all parameters to this L2 norm c where it is larger:
            ``g *= min(1, c / (norm(g) + 1e-6))`` (Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063,
            algorithm 1, as ``torch.nn.utils.clip_grad_norm_`` has it).
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
        decay : {"all", "weights"}
            What the optimizer's ``weight_decay`` acts on: all parameters, as in PyTorch and Keras, or
            weights alone, that is parameters of two or more axes: no biases, no weights of norms, no slopes
            of a `PReLU`, no gates, no learned initial states.
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
            metrics=metrics,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
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
            decay=decay,
        )
        with self.session.turn:
            self.session.compile(chosen)

    def fit(
        self,
        x: ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | str | None = None,
        validation_data: Any = None,
        validation_split: float | None = None,
        drop_last: bool = False,
        initial_epoch: int = 0,
        track: GradientFlow | None = None,
        callbacks: Sequence[Any] | None = None,
        watch: bool = False,
        verbose: Literal["auto", 0, 1, 2] = "auto",
    ) -> History:
        """Train for ``epochs`` passes over the samples.

        Parameters
        ----------
        x : array_like, (n, features), (n, time, features), (n, channels, height, width) or integers (n, time)
            Or, without y, any iterable of minibatches, such as a DataLoader, a tf.data.Dataset, a generator:
            pairs (x, y) or dicts with "x", "y" and, where there are any, "lengths" and "sample_weight". Each
            is a step, however many samples it has. An iterator, which can be gone through once, makes one
            epoch. Tensors are arrays. A `numpy.memmap` of the
            model's dtype is read where it lies.
        y : array_like
            (n,) integer labels or (n, outputs), as the loss asks; where the last layer gives sequences,
            (n, time) labels or (n, time, outputs).
        epochs : int, >= 1
        batch_size : int, >= 1
            The last minibatch of an epoch is smaller where it does not divide n.
        shuffle : bool
            Draw a new order of the samples each epoch, from the model's seed.
        lengths : array_like of int, (n,), optional
            Valid timesteps of each sample, 0 to time; what is behind them is padding: it has no part in
            losses, gradients, norms and final states, but must be finite numbers, or integers in range.
        sample_weight : array_like, (n,) or (n, time), optional
            Factors, 0 or more, of each sample's loss or, for outputs at every timestep, of each timestep's.
            The loss stays a mean over the samples, as Keras has it. What weighs 0 has no loss, no gradient,
            and no part in metrics; it still counts in batch statistics.
        class_weight : dict of int to float, or "balanced", optional
            Factors of the losses by class, 1 for what is not named; "balanced" is scikit-learn's
            ``n / (classes * samples of the class)``. Validation is not weighed so.
        validation_data : (x, y), (x, y, lengths), dict or iterable of minibatches, optional
            Evaluated after each epoch. A dict is one minibatch, as in x.
        validation_split : float, 0 < validation_split < 1, optional
            Take this share of the samples, the last ones as they come, for validation, as Keras does.
        drop_last : bool
            Leave out the last minibatch of an epoch where it is smaller than ``batch_size``.
        initial_epoch : int
            Number of the first epoch, where an earlier run is resumed: ``epochs - initial_epoch`` are run.
        track : GradientFlow, optional
            Records the steps it wants.
        callbacks : sequence, optional
            See `vgcore.callbacks`: called as ``callback(epoch, logs)`` after each epoch, or objects with
            hooks. Training stops where one returns True.
        watch : bool
            Warn, in one line each, when gradients begin to vanish or explode, units to die or saturate, or
            steps to be too long. It looks at ``track``, or at every 20th step or fewer, now and then.
        verbose : {"auto", 0, 1, 2}
            0: nothing is printed; 1: a progress bar; 2: a line per epoch; "auto": a bar where the run takes
            longer than two seconds in a terminal or a notebook.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            For bad data or arguments, before anything is changed; of an iterable, before the step of the
            minibatch that is bad.
        """
        return training.fit(
            self,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            lengths=lengths,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_data=validation_data,
            validation_split=validation_split,
            drop_last=drop_last,
            initial_epoch=initial_epoch,
            track=track,
            callbacks=callbacks,
            watch=watch,
            verbose=verbose,
        )

    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
    ) -> float:
        """One step on the whole of x and y; returns the loss before the update.

        With ``tbptt`` and targets at every timestep it is a step per chunk; the loss is their mean.
        ``lengths`` and ``sample_weight`` as in `fit`, ``initial_state`` as in `predict`.
        """
        return passes.train_on_batch(self.session, x, y, lengths, sample_weight, initial_state)

    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
        wrt_inputs: bool = False,
    ) -> Any:
        """Loss and gradients of one pass over the whole of x and y; nothing is updated.

        Parameters
        ----------
        x, y, lengths, sample_weight
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
            sample_weight=sample_weight,
            initial_state=initial_state,
            wrt_inputs=wrt_inputs,
        )

    def gradient_flow(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
        distributions: bool = False,
        units: bool = False,
    ) -> GradientFlow:
        """The gradient flow of one pass over the whole of x and y; nothing is updated.

        It is a pass of training: dropout drops, norms take the statistics of x. Sequences are taken whole,
        also where `compile` cuts them by ``tbptt``.

        Parameters
        ----------
        x, y, lengths, sample_weight
            As in `fit`; all samples are one minibatch.
        initial_state : list, optional
            As in `predict`.
        distributions, units : bool
            Record distributions, or what single units do, too: see `GradientFlow`.

        Returns
        -------
        GradientFlow
            A record of one step, a row (1, L) of L layers in each field, (1, T) of T timesteps in those of
            time. ``step`` is [`Sequential.step`], the number of the step that comes next: [0] before any
            training. ``update_ratio``, ``weight_grad_applied`` and ``bias_grad_applied`` are NaN, for
            nothing is updated. Where loss or gradients are not finite they are recorded as they are: it
            neither raises nor warns.

        Raises
        ------
        TypeError, ValueError
            For bad data.
        RuntimeError
            Before `compile`.

        Examples
        --------
        >>> import numpy as np
        >>> import vgcore as vg
        >>> deep = [*(vg.Dense(30, "sigmoid") for _ in range(4)), vg.Dense(10, "softmax")]
        >>> model = vg.Sequential(deep, input_shape=64, seed=0)
        >>> model.compile("sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> flow = model.gradient_flow(rng.normal(size=(100, 64)), rng.integers(10, size=100))
        >>> flow.delta.shape, flow.step
        ((1, 5), array([0]))
        >>> bool((flow.delta[0, :-1] < flow.delta[0, 1:]).all())  # it vanishes on its way back
        True
        """
        return passes.gradient_flow(
            self.session, x, y, lengths, sample_weight, initial_state, distributions, units
        )

    def internals(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        layers: str | Iterable[str] | None = None,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        initial_state: Sequence[Any] | None = None,
        align: Literal["start", "end"] = "start",
    ) -> Internals:
        """What one pass over the whole of x and y leaves inside: activations and gradients, not their norms.

        With y it is a pass of training, as `gradient_flow`: dropout drops, norms take the statistics of x;
        nothing is updated. Without y it is one of `predict`, forward alone.

        Parameters
        ----------
        x, y, lengths, sample_weight
            As in `fit`; all samples are one minibatch.
        layers : str or iterable of str, optional
            Look at these alone, by the names of `GradientFlow.layers`: all arrays of all layers take as much
            memory as they have numbers.
        initial_state : list, optional
            As in `predict`.
        align : {"start", "end"}
            Of samples of several lengths: whether their first timesteps stand below each other, as in x, or
            their last ones.

        Returns
        -------
        Internals
            By name of the layer: ``inside["dense1"].h``, ``.z``, ``.delta``, ``.dh``; of recurrent layers
            also ``.dh_direct``, ``.c``, ``.dc``, ``.gates``, ``.dgates``; of blocks ``.skip`` and ``.body``.
            Arrays of the model's dtype, which nobody else has.

        Raises
        ------
        TypeError, ValueError
            For bad data, or a layer that is not there.
        RuntimeError
            With y, before `compile`.

        Examples
        --------
        >>> import numpy as np
        >>> import vgcore as vg
        >>> words = [vg.Embedding(20, 8), vg.LSTM(16), vg.Dense(2, "softmax")]
        >>> model = vg.Sequential(words, input_shape=(None,), seed=0)
        >>> model.compile("sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> inside = model.internals(rng.integers(20, size=(3, 9)), [0, 1, 1])
        >>> inside["lstm1"].gates["f"].shape
        (3, 9, 16)
        >>> saliency = np.linalg.norm(inside["embedding1"].dh, axis=2)  # of each token
        >>> saliency.shape
        (3, 9)
        """
        return internals.internals(
            self.session,
            x,
            y,
            layers=layers,
            lengths=lengths,
            sample_weight=sample_weight,
            initial_state=initial_state,
            align=align,
        )

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

    __call__ = predict

    def evaluate(
        self,
        x: ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        metrics: Iterable[str | Metric] | None = None,
    ) -> Evaluation:
        """Loss, accuracy and metrics over the whole of x and y, from fresh states.

        Parameters
        ----------
        x, y, lengths, sample_weight
            As in `fit`; x may be an iterable of minibatches, too.
        metrics : sequence of str or Metric, optional
            In place of those of `compile`.
        """
        return inference.evaluate(
            self.session,
            x,
            y,
            lengths=lengths,
            sample_weight=sample_weight,
            metrics=metrics,
        )

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
        """Singular values of dh_T/dh_{T-k} of a recurrent layer: how far back its last state can feel.

        The product of one-step Jacobians that Pascanu, Mikolov and Bengio 2013 (eq. 5 to 7) bound: where
        its norm falls with k gradients vanish, where it grows they explode. Of an LSTM it is taken with
        c_{T-k} held fixed. All is computed in float64, as when predicting.

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
            ``spectral`` and ``frobenius``, each (n, len(lags)), and ``singular_values`` (n, len(lags),
            units); NaN where a sample has fewer than k timesteps, or derivatives are not finite.
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

    def diagnose(
        self,
        x: ArrayLike,
        y: ArrayLike,
        lengths: ArrayLike | None = None,
        *,
        history: History | None = None,
        seconds: float = 20,
        cures: bool = True,
    ) -> Diagnosis:
        """What is wrong with the network, where, why, and which cures help: tried, not guessed.

        Before, during or after training. Copies of it are trained: one to see how training goes, a plain
        network for comparison and, with ``cures``, one or more for each suggested change. The model
        itself is left as it is.

        Parameters
        ----------
        x, y, lengths
            As in `fit`: what it is, or will be, trained with. Of more than 20,000 samples as many are drawn.
        history : History, optional
            The course of its training; by default that of the last `fit`.
        seconds : float, > 0
            That all of it may take, about.
        cures : bool
            Try the suggested changes.

        Returns
        -------
        Diagnosis
            Prints; in a notebook or a shell it shows itself. ``diagnosis.findings``, ``.healthy``,
            ``.cures``, ``.best.apply()``, ``.best.code()``.

        Raises
        ------
        TypeError, ValueError
            For bad data, or ``seconds`` of 0.
        RuntimeError
            Before `compile`.

        Examples
        --------
        >>> import numpy as np
        >>> import vgcore as vg
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(400, 8))
        >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
        >>> deep = [*(vg.Dense(16, "sigmoid") for _ in range(9)), vg.Dense(2, "softmax")]
        >>> model = vg.Sequential(deep, input_shape=8, seed=0)
        >>> model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
        >>> model.diagnose(x, y, cures=False).findings[0].symptom
        'vanishing_gradient'
        """
        from vgcore.diagnosis import diagnose

        return diagnose.of_model(self, x, y, lengths, history=history, seconds=seconds, cures=cures)

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters by name: "dense1.weight" (out, in), "dense1.bias" (out,), ..."""
        return storage.state(self.session)

    def load_state_dict(
        self, state: Mapping[str, ArrayLike], strict: bool = True
    ) -> storage.LoadedState:
        """Copy parameters in; NaN and infinity are taken as they are.

        Names may be PyTorch's: ``weight_ih_l0`` of recurrent layers is ``weight_ih``,
        "layer1.0.conv1.weight" that of "conv1" in a block "layer1_0", and ``num_batches_tracked`` is left
        out. Where no layer is called as one of this model ("0.weight", "fc.bias"), but layer by layer
        parameters and shapes are the same, layers go by their order.

        Parameters
        ----------
        state : dict of str to array_like
            Arrays, or PyTorch's tensors.
        strict : bool
            Whether names that are missing, or too many, are an error.

        Returns
        -------
        LoadedState
            The names that were missing, and those that were too many.

        Raises
        ------
        TypeError, KeyError, ValueError
            If names are missing or too many, or a shape differs, numbers are not real, too large for the
            model's dtype, or negative where they cannot be (``running_var``); nothing is changed then.
        """
        return storage.load_state(self.session, state, strict)

    def save(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None:
        """Write the model to exactly ``path``, one ``.npz`` file (no pickle), or one of safetensors.

        The path says which one: "model.safetensors" is of safetensors, all else an ``.npz`` file. Either
        holds the whole model; in a safetensors file parameters go by the names of `state_dict`, and layers
        and options are JSON in its metadata.

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
        ModuleNotFoundError
            If the path ends with ".safetensors", and safetensors is not installed.
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
