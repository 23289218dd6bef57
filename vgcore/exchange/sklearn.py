"""Networks as scikit-learn's estimators: `Classifier` and `Regressor`.

They are for what scikit-learn does with estimators: pipelines, cross-validation, searches. Hidden layers are
given; the output layer and the shape of the inputs follow from the data. The network itself is ``model_``
after `fit`, what its gradients did is ``flow_``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate, losses, optimizers
from vgcore.exchange.estimators import (  # says if scikit-learn is missing
    Array,
    Estimator,
    checked_weights,
)
from vgcore.flow import GradientFlow
from vgcore.layers import Dense, Layer

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Classifier", "Regressor"]

_CLASSES = ("sparse_categorical_crossentropy", "binary_crossentropy")
_NUMBERS = ("mse", "mae", "huber", "log_cosh", "poisson")


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
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
        Whether `fit` trains the network of the one before for ``epochs`` more, from the optimizer's state.
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
    A sample of weight 0 is left out, and weights are divided by their mean in each call, so a weight of 2 is
    the sample twice. With minibatches that is so on average alone, for a sample that is there twice may be in
    two of them.

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
        weights: Array = checked_weights(given, x)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        return weights


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
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
        weights = None if given is None else checked_weights(given, x)
        self._train(x, y.reshape(len(y), -1), weights, new=new, once=once)
        return self

    def _output(self, y: Array) -> Dense:
        """One unit for each target."""
        if not isinstance(self.loss, losses.Huber | losses.Custom):
            _validate.one_of("loss", self.loss, _NUMBERS)
        return Dense(y.shape[1], "softplus" if self.loss == "poisson" else None)
