"""Turns what users pass as data into what the engine may read; the only way in.

Every function returns an array of the engine's dtype, C-contiguous, or raises before anything is changed.
Numbers are copied only if they must be; labels always.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore import _validate
from vgcore._core import arrays
from vgcore.losses import Loss
from vgcore.model import making

if TYPE_CHECKING:
    from vgcore.model.compiling import Compiled
    from vgcore.model.session import Session

Array = NDArray[Any]
Shape = tuple[int | None, ...]
ClassWeight = Mapping[int, float] | str | None


class Data(NamedTuple):
    """Checked samples: inputs, targets if there are any, and valid timesteps if not all are.

    Labels that are ignored are -1. ``weights``: of the losses, (n,) or (n, places) float64, or None if all
    are 1. ``compiled``: whose loss the targets are checked for.
    """

    x: Array
    y: Any = None  # an Array, or None
    lengths: Array | None = None
    weights: Array | None = None
    compiled: Compiled | None = None

    @property
    def times(self) -> int:
        """Timesteps of the inputs, if they are sequences."""
        return self.x.shape[1] if self.x.ndim > 1 else 1


def samples(
    session: Session, x: ArrayLike, given_lengths: ArrayLike | None = None, suffix: str = ""
) -> Data:
    """Inputs of a network; ``suffix`` stands behind the arguments' names in messages."""
    return Data(*_samples(session, x, given_lengths, suffix))


def _samples(
    session: Session, x: ArrayLike, given_lengths: ArrayLike | None, suffix: str
) -> tuple[Array, None, Array | None]:
    """The first fields of their `Data`."""
    first, shape = session.layers[0], session.input_shape
    try:
        if first.vocabulary is None:
            checked = numbers(f"x{suffix}", x, shape, session.dtype)
        else:
            checked = integers(f"x{suffix}", x, shape, first.vocabulary)
    except (TypeError, ValueError) as error:
        if _several(x, len(shape) + 1):
            raise type(error)(f"{error}; {making.ONE_INPUT}") from error
        raise
    if given_lengths is None:
        return checked, None, None
    if not session.takes_time:
        raise ValueError(f"lengths{suffix}: expected None, for the model takes no sequences")
    fixing = [layer.name for layer in session.layers if layer.fixes_time]
    if fixing:
        raise ValueError(
            f"lengths{suffix}: expected None, for {fixing[0]} makes sequences of another length"
        )
    valid = lengths(f"lengths{suffix}", given_lengths, *checked.shape[:2])
    pooling = [layer.name for layer in session.layers if layer.pools_time]
    if pooling and valid is not None and valid.min() == 0:
        raise ValueError(
            f"lengths{suffix}: expected lengths of at least 1, for {pooling[0]} pools over timesteps, got 0 "
            f"at lengths{suffix}[{valid.argmin()}]"
        )
    return checked, None, valid


def _several(x: Any, axes: int) -> bool:
    """Whether it is a dict, or a list of arrays each of which has as many axes as an input."""
    if isinstance(x, Mapping):
        return True
    return (
        isinstance(x, list | tuple)
        and len(x) > 0
        and all(isinstance(each, np.ndarray) and each.ndim == axes for each in x)
    )


def kind_of(session: Session) -> tuple[Any, ...]:
    """What `with_targets` asks of a model: those of one kind read the same arrays."""
    compiled = session.compiled
    first, end = session.layers[0], session.shapes[-1]
    of_targets = compiled.loss, [metric.name for metric in compiled.metrics[:1]]
    of_lengths = [
        session.takes_time,
        any(layer.fixes_time for layer in session.layers),
        any(layer.pools_time for layer in session.layers),
    ]
    return session.input_shape, first.vocabulary, session.dtype, end, of_targets, of_lengths


def with_targets(
    session: Session,
    x: ArrayLike,
    y: ArrayLike | None,
    given_lengths: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    suffix: str = "",
    whole: bool = True,
) -> Data:
    """Inputs, targets and weights of a network; of the ``whole`` of samples some must weigh anything."""
    compiled = session.compiled
    x, _, valid = _samples(session, x, given_lengths, suffix)
    shape = session.output_shape(x)
    goal = targets(f"y{suffix}", y, shape, compiled.loss, session.dtype)
    if compiled.loss.function is not None and compiled.metrics and goal.shape != shape:
        raise ValueError(
            f"y{suffix}: expected shape {shape}, for {compiled.metrics[0].name} compares it with the "
            f"outputs; got {goal.shape}"
        )
    weights = None
    if sample_weight is not None:
        weights = _by_sample(f"sample_weight{suffix}", sample_weight, len(x), shape)
        if whole:
            check_some(f"sample_weight{suffix}", weights, valid)
    return Data(x, goal, valid, weights, compiled)


def by_class(session: Session, data: Data, class_weight: ClassWeight) -> Data:
    """The same samples, each loss weighed by the class of its target, too."""
    if class_weight is None:
        return data
    assert data.compiled is not None
    weights = _by_class(session, class_weight, data)
    if data.weights is not None:
        weights = _product(weights, data.weights)
    return data._replace(weights=weights)


def _by_sample(
    argument: str,
    value: ArrayLike,
    samples: int,
    shape: tuple[int, ...],
) -> Array:
    """``sample_weight`` of outputs of ``shape``: (n,) or, where they are sequences, (n, time)."""
    given = _validate.array(argument, value)
    if given.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got {_validate.described(given)}")
    shapes = [(samples,), shape[:2]] if len(shape) == 3 else [(samples,)]
    if given.shape not in shapes:
        raise ValueError(
            f"{argument}: expected shape {' or '.join(map(str, shapes))}, got {given.shape}"
        )
    weights = _validate.finite(argument, given, np.float64)
    if weights.min() < 0:
        raise ValueError(f"{argument}: expected weights of at least 0, got {weights.min():g}")
    return weights


def check_some(argument: str, weights: Array, valid: Array | None) -> None:
    """Raise if all weights, but for padding, are 0."""
    if weights.ndim == 2 and valid is not None:
        weights = weights[np.arange(weights.shape[1]) < valid[:, np.newaxis]]
    if not weights.any():
        raise ValueError(f"{argument}: expected some weight above 0, got zeros alone")


def _by_class(session: Session, given: Any, data: Data) -> Array:
    """``class_weight`` of each target: (n,) or (n, places)."""
    assert data.compiled is not None
    goal, loss, shape = data.y, data.compiled.loss, session.output_shape(data.x)
    axis = 1 if len(shape) == 4 else len(shape) - 1
    units = shape[axis]
    if loss.judged is None or (units > 1 and not loss.categorical):
        raise ValueError(
            f"class_weight: expected None, for targets of {loss.name} over {units} outputs are not of "
            "one class"
        )
    if loss.sparse:
        labels = goal
    elif loss.categorical:
        labels = goal.argmax(axis=axis)
    else:
        labels = (np.squeeze(goal, axis) > (0 if loss.signed else 0.5)).astype(np.int64)
    labels = labels.reshape(len(labels), -1)
    if data.lengths is not None and session.gives_time:
        labels = np.where(np.arange(labels.shape[1]) < data.lengths[:, np.newaxis], labels, -1)
    factors = _class_factors(given, units if loss.categorical else 2, labels)
    weights = np.ascontiguousarray(factors[np.maximum(labels, 0)])
    return weights[:, 0] if weights.shape[1] == 1 and len(shape) == 2 else weights


def _class_factors(given: Any, classes: int, labels: Array) -> Array:
    """The weight of each class; "balanced" is scikit-learn's n / (classes times how many there are)."""
    if isinstance(given, str):
        _validate.one_of("class_weight", given, ("balanced",))
        counts = np.bincount(labels[labels >= 0], minlength=classes)
        balanced: Array = counts.sum() / (classes * np.maximum(counts, 1.0))
        return balanced
    if not isinstance(given, Mapping):
        raise TypeError(
            f"class_weight: expected a dict of weights by label, or 'balanced', got {_validate.kind(given)}"
        )
    factors = np.ones(classes)
    for label, weight in given.items():
        at = _validate.integer("class_weight", label, minimum=0, maximum=classes - 1)
        factors[at] = _validate.real(f"class_weight[{at}]", weight, minimum=0)
    if not factors.any():
        raise ValueError("class_weight: expected some weight above 0, got zeros alone")
    return factors


def _product(by_class: Array, by_sample: Array) -> Array:
    """Weights of every place of every sample."""
    if by_sample.ndim < by_class.ndim:
        by_sample = by_sample[:, np.newaxis]
    return np.ascontiguousarray(by_class * by_sample)


def counted(session: Session, data: Data) -> NDArray[np.bool_] | None:
    """Which targets (n, places) are in the loss's divisor; None if all are: no padding, none ignored."""
    ignoring = session.compiled.loss.ignore_index is not None
    if not ignoring and (data.lengths is None or not session.gives_time):
        return None
    counts = np.ones((len(data.x), places_of(session, data)), bool)
    if data.lengths is not None and session.gives_time:
        counts &= np.arange(counts.shape[1]) < data.lengths[:, np.newaxis]
    if ignoring:
        counts &= data.y.reshape(counts.shape) >= 0
    return counts


def all_counted(session: Session, data: Data) -> NDArray[np.bool_]:
    """`counted`, all True where all are."""
    counts = counted(session, data)
    return np.ones((len(data.x), places_of(session, data)), bool) if counts is None else counts


def compared(data: Data, outputs: Array, counts: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Outputs (m, units), and targets (m, units) or labels (m,), of the places (n, places) that have a part
    in metrics: those in ``counts`` that have a weight.
    """
    if data.weights is not None:
        counts = counts & (data.weights.reshape(len(counts), -1) > 0)

    def by_place(values: Array) -> Array:
        values = np.moveaxis(values, 1, -1) if values.ndim == 4 else values
        return values.reshape(*counts.shape, values.shape[-1])[counts]

    assert data.compiled is not None
    sparse = data.compiled.loss.sparse
    if data.compiled.loss.function is not None and data.y.shape != outputs.shape:
        raise ValueError(
            f"metrics: expected none, for y has shape {data.y.shape} and the outputs {outputs.shape}"
        )
    return by_place(outputs), data.y.reshape(counts.shape)[counts] if sparse else by_place(data.y)


def places_of(session: Session, data: Data) -> int:
    """Timesteps or pixels that a sample has an output for."""
    shape = session.output_shape(data.x)
    return math.prod(shape[2:]) if len(shape) == 4 else math.prod(shape[1:-1])


def check_compiled(session: Session, data: Data) -> None:
    """Raise if the targets were checked for another loss than the engine would read them with."""
    if session.chosen is not data.compiled:
        raise RuntimeError("the model was compiled anew while it was in use")


def to_train(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    given_lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> Data:
    """What a network can train with, all samples at once."""
    data = with_targets(session, x, y, given_lengths, sample_weight)
    check_rows(session, data)
    return data


def check_rows(
    session: Session, data: Data, batch_size: int | None = None, suffix: str = ""
) -> None:
    """Raise if minibatches of ``batch_size``, or of all samples, are too small for a layer's statistics."""
    if not session.meets:
        return
    rows = len(data.x) % batch_size or batch_size if batch_size else len(data.x)
    times = data.times if data.lengths is None else int(data.lengths.min())
    for layer, shape in zip(session.layers, session.shapes, strict=False):
        least = layer.least_rows(shape, times)
        if rows < least:
            argument = "batch_size" if batch_size else f"x{suffix}"
            raise ValueError(
                f"{argument}: expected minibatches of at least {least} "
                f"samples, for {layer.name} takes statistics over them; got one of {rows}"
            )


def numbers(argument: str, value: ArrayLike, shape: Shape, dtype: DTypeLike) -> Array:
    """Finite numbers of shape (n, *shape), n >= 1, as ``dtype``; None in ``shape`` is any length."""
    if arrays.ready(value, shape, dtype):  # a quick look: bench D1
        return value
    given = _validate.array(argument, value)
    if given.shape[1:] != shape and not _fits(given.shape[1:], shape):
        if given.dtype.kind not in "fiub":
            raise TypeError(f"{argument}: expected real numbers, got {_validate.described(given)}")
        _refuse_shape(argument, given, shape)
    if given.size == 0:
        raise ValueError(f"{argument}: expected at least one sample, got shape {given.shape}")
    return _validate.finite(argument, given, dtype)


def integers(argument: str, value: ArrayLike, shape: Shape, vocabulary: int) -> Array:
    """Integers in [0, vocabulary) of shape (n, *shape), n >= 1, as int64; always a copy, as labels are."""
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integers, got {_validate.described(given)}")
    if not _fits(given.shape[1:], shape):
        _refuse_shape(argument, given, shape)
    if given.size == 0:
        raise ValueError(f"{argument}: expected at least one sample, got shape {given.shape}")
    given = np.array(given, dtype=np.int64, order="C")
    low, high = arrays.label_range(given)
    if low < 0 or high >= vocabulary:
        raise ValueError(
            f"{argument}: expected integers in 0 .. {vocabulary - 1}, got {low if low < 0 else high}"
        )
    return given


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == came for size, came in zip(wanted, shape, strict=True)
    )


def _refuse_shape(argument: str, given: Array, shape: Shape) -> NoReturn:
    sizes = ["n", *("time" if size is None else str(size) for size in shape)]
    hint = f"; a single sample is {argument}[np.newaxis]" if _fits(given.shape, shape) else ""
    raise ValueError(f"{argument}: expected shape ({', '.join(sizes)}), got {given.shape}{hint}")


def lengths(argument: str, value: ArrayLike | None, samples: int, times: int) -> Array | None:
    """Valid timesteps of each sample, 0 .. times, as int64; None if all are valid."""
    if value is None:
        return None
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integers, got {_validate.described(given)}")
    if given.shape != (samples,):
        raise ValueError(f"{argument}: expected shape ({samples},), got {given.shape}")
    given = np.array(given, dtype=np.int64, order="C")
    low, high = arrays.label_range(given)
    if low < 0 or high > times:
        raise ValueError(
            f"{argument}: expected lengths in 0 .. {times}, the timesteps of x, got "
            f"{low if low < 0 else high}"
        )
    return given


def labels(
    argument: str,
    value: ArrayLike,
    shape: tuple[int, ...],
    classes: int,
    ignored: int | None = None,
) -> Array:
    """Integer labels of ``shape`` in [0, classes) as int64; one more axis of length 1 is dropped.

    Those that are ``ignored`` become -1.

    Always a copy: a label that the caller changes later must not become an index of the engine's.
    """
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        hint = ""
        if given.shape == (*shape, classes):
            hint = "; for rows of one number per class use categorical_crossentropy"
        elif given.dtype.kind == "f" and given.ndim > len(shape) and given.shape != (*shape, 1):
            hint = (
                f" of shape {given.shape}; are they inputs? train_test_split gives x_train, y_train, x_test, "
                "y_test"
            )
        raise TypeError(
            f"{argument}: expected integer class labels, got {_validate.described(given)}{hint}"
        )
    if given.shape == (*shape, 1):
        given = given[..., 0]
    if given.shape != shape:
        raise ValueError(f"{argument}: expected class labels of shape {shape}, got {given.shape}")
    given = np.array(given, dtype=np.int64, order="C")
    if ignored is not None:
        leaves_out = given == ignored
        given[leaves_out] = 0
    low, high = arrays.label_range(given)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{argument}: expected labels in 0 .. {classes - 1} (the output layer has {classes} "
            f"units){'' if ignored is None else f' or {ignored}'}, got {low if low < 0 else high}"
        )
    if ignored is not None:
        given[leaves_out] = -1
    return given


def targets(
    argument: str,
    value: ArrayLike | None,
    shape: tuple[int, ...],
    loss: Loss,
    dtype: DTypeLike,
) -> Array:
    """Targets for outputs of ``shape`` (samples, [time,] units) or (samples, channels, height, width), as
    ``loss`` asks: labels, or numbers.
    """
    if value is None:
        kind = "integer class labels" if loss.sparse else "real numbers"
        raise TypeError(f"{argument}: expected {kind}, got None")
    samples, axis = shape[0], 1 if len(shape) == 4 else len(shape) - 1
    units = shape[axis]
    if loss.function is not None:
        return _rows(argument, value, samples)
    if loss.sparse:
        return labels(argument, value, shape[:axis] + shape[axis + 1 :], units, loss.ignore_index)
    given = _validate.array(argument, value)
    if given.ndim == len(shape) - 1 and units == 1:
        given = np.expand_dims(given, axis)
    if given.ndim == len(shape) - 1 and loss.categorical:
        raise ValueError(
            f"{argument}: {loss.name} expects targets of shape {shape}, got "
            f"{given.shape}; for integer labels use sparse_categorical_crossentropy"
        )
    given = _rows(argument, numbers(argument, given, shape[1:], dtype), samples)
    _check_range(argument, given, loss)
    if loss.signed and not np.all(np.abs(given) == 1):
        return _signed(argument, given, loss)
    return given


def _rows(argument: str, value: ArrayLike, samples: int) -> Array:
    """An array of a row for each sample."""
    given = _validate.array(argument, value)
    if given.ndim == 0 or len(given) != samples:
        came = len(given) if given.ndim else f"shape {given.shape}"
        raise ValueError(
            f"{argument}: expected as many rows as x has samples ({samples}), got {came}"
        )
    return given


def _check_range(argument: str, given: Array, loss: Loss) -> None:
    least, most = loss.target_range
    if np.isfinite(least) and (given.min() < least or given.max() > most):
        expected = f"in [{least}, {most}]" if np.isfinite(most) else f"of at least {least}"
        raise ValueError(
            f"{argument}: {loss.name} expects targets {expected}, got values from "
            f"{given.min():g} to {given.max():g}"
        )


def _signed(argument: str, given: Array, loss: Loss) -> Array:
    """Targets -1 and 1 of 0 and 1."""
    if not np.all((given == 0) | (given == 1)):
        raise ValueError(
            f"{argument}: {loss.name} expects targets -1 and 1, or 0 and 1, got others between them"
        )
    return 2 * given - 1
