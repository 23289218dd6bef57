"""What scikit-learn's estimators of networks have in common: samples, the network, and its training."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _extras, _validate, optimizers
from vgcore.flow import GradientFlow
from vgcore.layers import Dense, Layer
from vgcore.layers.base import features
from vgcore.model import Sequential
from vgcore.model.history import History

try:
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
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

Array = NDArray[Any]

_RECORDED = 200  # steps of a fit, at least, that track="auto" records where there are so many


class Estimator(BaseEstimator):  # type: ignore[misc]
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


def _axes(X: Any) -> int:  # noqa: N803
    """How many axes samples have: tables, sparse matrices, lists and what is made an array of."""
    axes: int = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    return axes


def checked_weights(given: ArrayLike | None, x: Array) -> Array:
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
