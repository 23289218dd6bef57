"""Turns what users pass as data into what the engine may read; the only way in.

Every function returns an array of the engine's dtype, C-contiguous, or raises before anything is changed.
Numbers are copied only if they must be; labels always.
"""

from __future__ import annotations

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


class Data(NamedTuple):
    """Checked samples: inputs, targets if there are any, and valid timesteps if not all are.

    ``compiled``: whose loss the targets are checked for.
    """

    x: Array
    y: Any  # an Array, or None
    lengths: Array | None
    compiled: Compiled | None = None

    @property
    def times(self) -> int:
        """Timesteps of the inputs, if they are sequences."""
        return self.x.shape[1] if self.x.ndim > 1 else 1


def samples(
    session: Session, x: ArrayLike, given_lengths: ArrayLike | None = None, suffix: str = ""
) -> Data:
    """Inputs of a network; ``suffix`` stands behind the arguments' names in messages."""
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
        return Data(checked, None, None)
    if not session.takes_time:
        raise ValueError(f"lengths{suffix}: expected None, for the model takes no sequences")
    fixing = [layer.name for layer in session.layers if layer.fixes_time]
    if fixing:
        raise ValueError(
            f"lengths{suffix}: expected None, for {fixing[0]} makes sequences of another length"
        )
    return Data(checked, None, lengths(f"lengths{suffix}", given_lengths, *checked.shape[:2]))


def _several(x: Any, axes: int) -> bool:
    """Whether it is a dict, or a list of arrays each of which has as many axes as an input."""
    if isinstance(x, Mapping):
        return True
    return (
        isinstance(x, list | tuple)
        and len(x) > 0
        and all(isinstance(each, np.ndarray) and each.ndim == axes for each in x)
    )


def with_targets(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    given_lengths: ArrayLike | None = None,
    suffix: str = "",
) -> Data:
    """Inputs and targets of a network."""
    compiled = session.compiled
    checked, _, valid, _ = samples(session, x, given_lengths, suffix)
    shape = session.output_shape(checked)
    goal = targets(f"y{suffix}", y, shape, compiled.loss, session.dtype)
    return Data(checked, goal, valid, compiled)


def check_compiled(session: Session, data: Data) -> None:
    """Raise if the targets were checked for another loss than the engine would read them with."""
    if session.chosen is not data.compiled:
        raise RuntimeError("the model was compiled anew while it was in use")


def to_train(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    given_lengths: ArrayLike | None,
    batch_size: int | None = None,
) -> Data:
    """What a network can train with in minibatches of ``batch_size``, or all at once."""
    data = with_targets(session, x, y, given_lengths)
    if not session.meets:
        return data
    rows = len(data.x) % batch_size or batch_size if batch_size else len(data.x)
    times = data.times if data.lengths is None else int(data.lengths.min())
    for layer, shape in zip(session.layers, session.shapes, strict=False):
        least = layer.least_rows(shape, times)
        if rows < least:
            raise ValueError(
                f"{'batch_size' if batch_size else 'x'}: expected minibatches of at least {least} "
                f"samples, for {layer.name} takes statistics over them; got one of {rows}"
            )
    return data


def validation(session: Session, given: tuple[ArrayLike, ...] | None) -> Data | None:
    """``validation_data`` of `Sequential.fit`."""
    if given is None and session.compiled.course.monitored == "val_loss":
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
    return with_targets(
        session, given[0], given[1], given[2] if len(given) == 3 else None, " of validation_data"
    )


def numbers(argument: str, value: ArrayLike, shape: Shape, dtype: DTypeLike) -> Array:
    """Finite numbers of shape (n, *shape), n >= 1, as ``dtype``; None in ``shape`` is any length."""
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
    """Valid timesteps of each sample, 1 .. times, as int64; None if all are valid."""
    if value is None:
        return None
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integers, got {_validate.described(given)}")
    if given.shape != (samples,):
        raise ValueError(f"{argument}: expected shape ({samples},), got {given.shape}")
    given = np.array(given, dtype=np.int64, order="C")
    low, high = arrays.label_range(given)
    if low < 1 or high > times:
        raise ValueError(
            f"{argument}: expected lengths in 1 .. {times}, the timesteps of x, got "
            f"{low if low < 1 else high}"
        )
    return given


def labels(argument: str, value: ArrayLike, shape: tuple[int, ...], classes: int) -> Array:
    """Integer labels of ``shape`` in [0, classes) as int64; one more axis of length 1 is dropped.

    Always a copy: a label that the caller changes later must not become an index of the engine's.
    """
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        raise TypeError(
            f"{argument}: expected integer class labels, got {_validate.described(given)}"
        )
    if given.shape == (*shape, 1):
        given = given[..., 0]
    if given.shape != shape:
        raise ValueError(f"{argument}: expected class labels of shape {shape}, got {given.shape}")
    given = np.array(given, dtype=np.int64, order="C")
    low, high = arrays.label_range(given)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{argument}: expected labels in 0 .. {classes - 1} (the output layer has {classes} "
            f"units), got {low if low < 0 else high}"
        )
    return given


def targets(
    argument: str, value: ArrayLike, shape: tuple[int, ...], loss: Loss, dtype: DTypeLike
) -> Array:
    """Targets for outputs of ``shape`` (samples, [time,] units) or (samples, channels, height, width), as
    ``loss`` asks: labels, or numbers.
    """
    samples, axis = shape[0], 1 if len(shape) == 4 else len(shape) - 1
    units = shape[axis]
    if loss.sparse:
        return labels(argument, value, shape[:axis] + shape[axis + 1 :], units)
    given = _validate.array(argument, value)
    if given.ndim == len(shape) - 1 and units == 1:
        given = np.expand_dims(given, axis)
    if given.ndim == len(shape) - 1 and loss.categorical:
        raise ValueError(
            f"{argument}: {loss.name} expects targets of shape {shape}, got "
            f"{given.shape}; for integer labels use sparse_categorical_crossentropy"
        )
    given = numbers(argument, given, shape[1:], dtype)
    if len(given) != samples:
        raise ValueError(
            f"{argument}: expected as many rows as x has samples ({samples}), got {len(given)}"
        )
    if loss.probabilities and (given.min() < 0 or given.max() > 1):
        raise ValueError(
            f"{argument}: {loss.name} expects targets in [0, 1], got values from "
            f"{given.min():g} to {given.max():g}"
        )
    return given
