"""Networks as scikit-learn's estimators: `Classifier` and `Regressor`.

They are for what scikit-learn does with estimators: pipelines, cross-validation, searches. Hidden layers are
given; the output layer and the shape of the inputs follow from the data. The network itself is ``model_``
after `fit`, what its gradients did is ``flow_``.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _extras, _validate, losses, optimizers
from vgcore.flow import GradientFlow
from vgcore.layers import Dense, Layer
from vgcore.layers.base import features
from vgcore.model import Sequential
from vgcore.model.history import History

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import (
        _check_partial_fit_first_call,
        check_classification_targets,
    )
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_array,
        check_is_fitted,
        check_X_y,
        validate_data,
    )
except ImportError as missing:
    raise ImportError(
        _extras.missing("scikit-learn", "sklearn", "estimators need 1.6 or later of")
    ) from missing

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Classifier", "Regressor"]

Array = NDArray[Any]

_RECORDED = 200  # steps of a fit, at least, that track="auto" records where there are so many
_CLASSES = ("sparse_categorical_crossentropy", "binary_crossentropy")
_NUMBERS = ("mse", "mae", "huber", "log_cosh", "poisson")


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What a classifier and a regressor have in common.

    ``_numeric``: whether targets are numbers, one or several of each sample.
    """

    _numeric: ClassVar[bool]

    def __init__(
        self,
        layers: Sequence[Layer] = (),
        *,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: Any = "mse",
        epochs: int = 200,
        batch_size: int = 32,
        dtype: str | None = None,
        validation_split: float | None = None,
        callbacks: Sequence[Any] = (),
        track: Literal["auto"] | GradientFlow | None = "auto",
        compile_options: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: Literal["auto", 0, 1, 2] = 0,
    ) -> None:
        self.layers = layers
        self.optimizer = optimizer
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.dtype = dtype
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.track = track
        self.compile_options = compile_options
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks before it hands over data."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @abstractmethod
    def _output(self, y: Array) -> Dense:
        """The output layer for targets."""

    def _goes_on(self) -> bool:
        """Whether `fit` goes on with the network of the fit before."""
        return _validate.boolean("warm_start", self.warm_start) and hasattr(self, "model_")

    def _checked(self, X: Any, y: Any, *, new: bool) -> tuple[Array, Array]:  # noqa: N803
        """Samples and targets as arrays; of ``new`` data the number of features is kept."""
        how = {"allow_nd": True, "y_numeric": self._numeric, "multi_output": self._numeric}
        if _axes(X) <= 2:
            x, y = validate_data(self, X, y, reset=new, **how)
        else:
            x, y = check_X_y(X, y, estimator=self, **how)
            if new:
                self._keep_features(x)
        return x, y

    def _outputs(self, X: Any) -> Array:  # noqa: N803
        """The network's outputs for samples such as those that it was trained with."""
        check_is_fitted(self, "model_")
        if _axes(X) <= 2:
            x = validate_data(self, X, reset=False, allow_nd=True)
        else:
            x = check_array(X, allow_nd=True, estimator=self, input_name="X")
        outputs: Array = self.model_.predict(x)
        return outputs

    def _keep_features(self, x: Array) -> None:
        """Count the features of samples that are no vectors: scikit-learn would count the timesteps."""
        self.n_features_in_ = features(x.shape[1:])
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _made(self, x: Array, y: Array, seed: int) -> Sequential:
        """A network for data like these."""
        given = _validate.items("layers", self.layers, "a sequence of layers")
        hidden = [layer.copy() if isinstance(layer, Layer) else layer for layer in given]
        output = self._output(y)
        own = np.float32 if x.dtype == np.float32 else np.float64
        dtype = own if self.dtype is None else self.dtype
        model = Sequential([*hidden, output], input_shape=x.shape[1:], dtype=dtype, seed=seed)
        made = model.session.shapes[-1]
        if len(made) > 1:
            raise ValueError(
                f"layers: expected layers that make one vector of each sample, got outputs of shape {made}; "
                "a last recurrent layer without return_sequences, GlobalAvgPool() or Flatten() makes one"
            )
        options = {} if self.compile_options is None else self.compile_options
        if not isinstance(options, Mapping):
            raise TypeError(
                f"compile_options: expected a dict of arguments of Sequential.compile, got {options!r}"
            )
        model.compile(self.loss, copy.deepcopy(self.optimizer), **options)
        return model

    def _recorder(self, every: int) -> GradientFlow | None:
        """What records a new network; with "auto", each ``every``-th step."""
        if self.track is None:
            return None
        if isinstance(self.track, str):
            _validate.one_of("track", self.track, ("auto",))
            return GradientFlow(every=every)
        if not isinstance(self.track, GradientFlow):
            raise TypeError(
                f"track: expected 'auto', None or a GradientFlow, got {_validate.kind(self.track)}"
            )
        if self.track.layers:
            raise ValueError(
                "track: expected an empty GradientFlow, of which each fit fills a copy, flow_; got one that "
                f"has {len(self.track)} steps"
            )
        return copy.deepcopy(self.track)

    def _train(
        self, x: Array, y: Array, weights: Array | None, *, new: bool, once: bool = False
    ) -> None:
        """Make a network, or go on with the one there is; train it, ``once`` or for all epochs."""
        random = check_random_state(self.random_state)
        seed, parting = (int(random.randint(2**31 - 1)) for _ in range(2))
        x, y, weights = _counting(x, y, weights)
        model = self._made(x, y, seed) if new else self.model_
        validation = None
        if self.validation_split is not None and not once:
            x, y, weights, validation = self._parted(x, y, weights, parting)
        batch_size = _validate.integer("batch_size", self.batch_size, minimum=1)
        epochs = 1 if once else _validate.integer("epochs", self.epochs, minimum=1)
        if new:
            steps = -(-len(x) // batch_size)
            flow = self._recorder(steps if once else max(1, steps * epochs // _RECORDED))
            history = History()
        else:
            history, flow = self.history_, getattr(self, "flow_", None)
        before, step = len(history.epoch), model.step
        try:
            model.fit(
                x,
                y,
                sample_weight=weights,
                validation_data=validation,
                epochs=before + epochs,
                initial_epoch=before,
                batch_size=batch_size,
                track=flow,
                callbacks=() if once else self.callbacks,
                verbose=self.verbose,
            )
        finally:
            if model.step > step:  # also where it was broken off
                self._keep(model, history, flow)

    def _keep(self, model: Sequential, history: History, flow: GradientFlow | None) -> None:
        """Keep what training has made."""
        course = model.history
        assert course is not None
        for place, epoch in enumerate(course.epoch):
            history.append(epoch, {name: values[place] for name, values in course.items()})
        self.model_, self.history_ = model, history
        if flow is not None:
            self.flow_ = flow
        elif hasattr(self, "flow_"):
            del self.flow_

    def _parted(
        self, x: Array, y: Array, weights: Array | None, seed: int
    ) -> tuple[Array, Array, Array | None, dict[str, Array]]:
        """Samples, targets and weights to train with, and the minibatch to validate with."""
        share = _validate.real("validation_split", self.validation_split, above=0, below=1)
        arrays = [x, y] if weights is None else [x, y, weights]
        parts = train_test_split(
            *arrays, test_size=share, random_state=seed, stratify=None if self._numeric else y
        )
        names = ("x", "y", "sample_weight")
        held_out = dict(zip(names, parts[1::2], strict=False))
        x, y, *rest = parts[::2]
        return x, y, rest[0] if rest else None, held_out


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that tells classes apart, as an estimator of scikit-learn.

    Parameters
    ----------
    layers : sequence of Layer
        The hidden layers, which are copied; there may be none. The output layer follows from the classes:
        Dense(classes, "softmax"), or with binary_crossentropy Dense(1, "sigmoid").
    optimizer : str or Optimizer
    loss : {"sparse_categorical_crossentropy", "binary_crossentropy"}
        The latter of two classes alone.
    epochs, batch_size : int, >= 1
    dtype : {"float32", "float64"} or None
        None: that of the samples, float64 where they are integers.
    class_weight : dict, "balanced" or None
        Factors of the samples' weights by class, as in scikit-learn.
    validation_split : float, 0 < validation_split < 1, optional
        Share of the samples, drawn at random and of each class alike, that `fit` does not train with but
        tells "val_loss" and "val_accuracy" of.
    callbacks : sequence
        As in `Sequential.fit`.
    track : "auto", GradientFlow or None
        What `fit` records in ``flow_``: "auto", 200 to 400 steps evenly over the fit, or all where there are
        fewer; with `partial_fit` about one of each call. Of an empty GradientFlow it fills a copy.
    compile_options : dict, optional
        Further arguments of `Sequential.compile`: {"clip_norm": 1.0}.
    warm_start : bool
        Whether `fit` goes on for ``epochs`` more with the network, and the optimizer's state, of the one before.
    random_state : int, numpy.random.RandomState or None
        Of the initial weights, the order of the samples, and what is held out for validation.
    verbose : {"auto", 0, 1, 2}
        As in `Sequential.fit`.

    Attributes
    ----------
    model_ : Sequential
    history_ : History
        Of all epochs since the network was made.
    flow_ : GradientFlow
        What was recorded since then, unless ``track`` is None.
    classes_ : ndarray, (classes,)
    n_features_in_ : int
        Of sequences (n, time, features) the features, of images (n, channels, height, width) the channels.
    feature_names_in_ : ndarray of str
        Names of the columns, where `fit` was given a table that has such.

    Notes
    -----
    A sample of weight 0 is left out, and weights are divided by their mean, so a weight of 2 is the sample
    twice. With minibatches that is so on average alone, for a sample that is there twice may be in two of
    them.

    `sklearn.utils.estimator_checks.check_estimator` passes with ``epochs=500`` and float64. With fewer epochs
    check_class_weight_classifiers, which has 50 samples and large numbers, may find the network half trained;
    in float32, or with a ``batch_size`` below 32, check_sample_weight_equivalence_on_dense_data finds samples
    with weights and repeated ones less alike than it asks.

    Examples
    --------
    >>> import vgcore as vg
    >>> from sklearn.model_selection import cross_val_score
    >>> x, y = vg.data.circles(300, factor=0.5, noise=0.05, seed=0)
    >>> hidden = [vg.Dense(16, "tanh")]
    >>> network = vg.sklearn.Classifier(hidden, optimizer=vg.Adam(0.01), random_state=0)
    >>> bool(cross_val_score(network, x, y, cv=3).mean() > 0.95)
    True
    """

    _numeric = False

    def __init__(
        self,
        layers: Sequence[Layer] = (),
        *,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: str = "sparse_categorical_crossentropy",
        epochs: int = 200,
        batch_size: int = 32,
        dtype: str | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        validation_split: float | None = None,
        callbacks: Sequence[Any] = (),
        track: Literal["auto"] | GradientFlow | None = "auto",
        compile_options: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: Literal["auto", 0, 1, 2] = 0,
    ) -> None:
        super().__init__(
            layers,
            optimizer=optimizer,
            loss=loss,
            epochs=epochs,
            batch_size=batch_size,
            dtype=dtype,
            validation_split=validation_split,
            callbacks=callbacks,
            track=track,
            compile_options=compile_options,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train a new network or, with ``warm_start``, the one there is.

        Parameters
        ----------
        X : array_like, (n, features), (n, time, features), (n, channels, height, width) or integers (n, time)
        y : array_like, (n,)
        sample_weight : array_like, (n,), optional
        """
        new = not self._goes_on()
        x, y = self._checked(X, y, new=new)
        check_classification_targets(y)
        weights = self._weights(x, y, sample_weight)
        there = np.unique(y if weights is None else y[weights > 0])
        if new:
            if len(there) < 2:
                raise ValueError(
                    f"y: expected samples of at least two classes, got one class: {there[:1]}"
                )
            self.classes_ = np.unique(y)
        self._train(x, self._labels(y), weights, new=new)
        return self

    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch over these samples; no callbacks are called, and nothing is held out.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array_like
            All classes that will come, in the first call; may be left out later.
        """
        new = not hasattr(self, "model_")
        x, y = self._checked(X, y, new=new)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight: expected a dict or None with partial_fit, which does not see all samples, "
                "got 'balanced'"
            )
        _check_partial_fit_first_call(self, classes)
        self._train(x, self._labels(y), self._weights(x, y, sample_weight), new=new, once=True)
        return self

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Probabilities of the classes, (n, classes), in the order of ``classes_``."""
        outputs = self._outputs(X)
        return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])

    def predict(self, X: Any) -> Array:  # noqa: N803
        """The most probable class of each sample, (n,)."""
        probabilities = self.predict_proba(X)
        labels: Array = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def _output(self, y: Array) -> Dense:
        """One unit for each class, or one for both."""
        classes = len(self.classes_)
        if _validate.one_of("loss", self.loss, _CLASSES) == _CLASSES[0]:
            return Dense(classes, "softmax")
        if classes > 2:
            raise ValueError(
                f"loss: expected {_CLASSES[0]} for {classes} classes, got {self.loss!r}"
            )
        return Dense(1, "sigmoid")

    def _labels(self, y: Array) -> Array:
        """Places among the classes."""
        strange = np.setdiff1d(y, self.classes_)
        if len(strange):
            raise ValueError(f"y: expected classes of classes_, {self.classes_}, got {strange[:1]}")
        return np.searchsorted(self.classes_, y)

    def _weights(self, x: Array, y: Array, given: ArrayLike | None) -> Array | None:
        """The weight of each sample, that of its class included."""
        if given is None and self.class_weight is None:
            return None
        weights: Array = _checked_weights(given, x)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        return weights


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network that predicts one number or several, as an estimator of scikit-learn.

    Targets are learned as they are: `sklearn.compose.TransformedTargetRegressor` scales them.

    Parameters
    ----------
    layers : sequence of Layer
        The hidden layers, which are copied; there may be none. The output layer follows from y:
        Dense(outputs), with poisson Dense(outputs, "softplus").
    optimizer : str or Optimizer
    loss : {"mse", "mae", "huber", "log_cosh", "poisson"}, Huber or Custom
    epochs, batch_size : int, >= 1
    dtype : {"float32", "float64"} or None
        None: that of the samples, float64 where they are integers.
    validation_split : float, 0 < validation_split < 1, optional
        Share of the samples, drawn at random, that `fit` does not train with but tells "val_loss" of.
    callbacks, track, compile_options, warm_start, random_state, verbose
        As in `Classifier`.

    Attributes
    ----------
    model_, history_, flow_, n_features_in_, feature_names_in_
        As of `Classifier`.

    Notes
    -----
    Of weights and of scikit-learn's checks `Classifier` tells; with 200 epochs they pass here.

    Examples
    --------
    >>> import vgcore as vg
    >>> x, y = vg.data.sine(200, seed=0)
    >>> network = vg.sklearn.Regressor([vg.Dense(32, "tanh")], optimizer=vg.Adam(0.01), random_state=0)
    >>> bool(network.fit(x, y).score(x, y) > 0.95)
    True
    """

    _numeric = True

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks before it hands over data."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train a new network or, with ``warm_start``, the one there is.

        Parameters
        ----------
        X : array_like, (n, features), (n, time, features), (n, channels, height, width) or integers (n, time)
        y : array_like, (n,) or (n, outputs)
        sample_weight : array_like, (n,), optional
        """
        return self._fit(X, y, sample_weight, new=not self._goes_on())

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train for one epoch over these samples; no callbacks are called, and nothing is held out.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        """
        return self._fit(X, y, sample_weight, new=not hasattr(self, "model_"), once=True)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Numbers for each sample: (n,), or (n, outputs) of several."""
        outputs = self._outputs(X)
        return outputs if outputs.shape[1] > 1 else outputs[:, 0]

    def _fit(self, X: Any, y: Any, given: Any, *, new: bool, once: bool = False) -> Self:  # noqa: N803
        x, y = self._checked(X, y, new=new)
        weights = None if given is None else _checked_weights(given, x)
        self._train(x, y.reshape(len(y), -1), weights, new=new, once=once)
        return self

    def _output(self, y: Array) -> Dense:
        """One unit for each target."""
        if not isinstance(self.loss, losses.Huber | losses.Custom):
            _validate.one_of("loss", self.loss, _NUMBERS)
        return Dense(y.shape[1], "softplus" if self.loss == "poisson" else None)


def _axes(X: Any) -> int:  # noqa: N803
    """How many axes samples have: tables, sparse matrices, lists and what is made an array of."""
    axes: int = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    return axes


def _checked_weights(given: ArrayLike | None, x: Array) -> Array:
    """A weight of at least 0 for each sample: ones, if none are given."""
    weights: Array = _check_sample_weight(given, x, dtype=np.float64, ensure_non_negative=True)
    return weights


def _counting(x: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """The samples that have a weight, and their weights, whose mean is 1: a weight of 2 is a sample twice."""
    if weights is None:
        return x, y, None
    some = weights > 0
    if not some.any():
        raise ValueError("sample_weight: expected some weight above 0, got zeros alone")
    weights = weights[some]
    return x[some], y[some], weights / weights.mean()
