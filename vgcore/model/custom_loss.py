"""A loss of one's own as the engine asks it: a minibatch's outputs go out, losses and gradients come in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.model.inputs import Data

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


def of(session: Session, data: Data, batch: int, order: Array | None) -> Asked | None:
    """What the engine asks in place of a loss of its own; None if it has one."""
    return None if session.compiled.loss.function is None else Asked(session, data, batch, order)


class Asked:
    """The function of a `vgcore.losses.Custom` over the minibatches of a pass.

    Attributes
    ----------
    outputs, gradients : ndarray, (batch, [time,] outputs) or (batch, channels, height, width)
        Of one minibatch: what the engine writes, and what it reads.
    losses : ndarray, (batch, places)
        What it reads, too.
    error : BaseException or None
        What the function raised.
    """

    def __init__(self, session: Session, data: Data, batch: int, order: Array | None) -> None:
        self.loss, self.data, self.order = session.compiled.loss, data, order
        shape = session.output_shape(data.x)[1:]
        self.in_time = session.gives_time
        self.axis = 1 if len(shape) == 3 else -1  # of channels or units
        self.places = shape[1:] if len(shape) == 3 else shape[:-1]
        self.outputs = np.zeros((batch, *shape), session.dtype)
        self.gradients = np.zeros_like(self.outputs)
        self.losses = np.zeros((batch, math.prod(self.places)))
        self.error: BaseException | None = None

    def __call__(self, first: int, rows: int, begin: int, end: int, scale: float) -> None:
        """Losses and gradients, times ``scale``, of the minibatch from place ``first`` of the order on, in
        timesteps begin to end - 1.
        """
        samples: Any = slice(first, first + rows)
        if self.order is not None:
            samples = self.order[samples]
        cut = (slice(rows), slice(begin, end)) if self.in_time else (slice(rows),)
        h = self.outputs[cut]
        factors = self._factors(samples, cut, scale)
        if self.in_time and self.data.lengths is not None:
            h[self._ended(samples)[:, begin:end]] = 0
        assert self.loss.function is not None
        answer = self.loss.function(self._targets(samples, begin, end), h)
        losses, gradients = self._by_place(*self._checked(answer, h.shape), factors.shape)
        self._refuse_nan(losses, gradients, h, factors)
        counts = factors != 0
        with np.errstate(all="ignore"):
            taken = np.where(counts, losses * factors, 0)
            slopes = np.where(
                np.expand_dims(counts, self.axis),
                gradients * np.expand_dims(factors, self.axis),
                0,
            )
            self.gradients[cut] = slopes
        self.losses.reshape(len(self.losses), *self.places)[cut] = taken

    def _ended(self, samples: Any) -> NDArray[np.bool_]:
        """Which timesteps (rows, time) lie behind a sequence's end."""
        assert self.data.lengths is not None
        ended: NDArray[np.bool_] = (
            np.arange(self.data.times) >= self.data.lengths[samples, np.newaxis]
        )
        return ended

    def _factors(self, samples: Any, cut: tuple[slice, ...], scale: float) -> Array:
        """What each place's loss is multiplied by: 0 behind a sequence's end."""
        rows = cut[0].stop
        weights = self.data.weights
        factors = np.full((rows, *self.places), scale)
        if weights is not None and weights.ndim > 1:
            factors *= weights[samples].reshape(factors.shape)
        elif weights is not None:
            factors *= weights[samples].reshape(rows, *(1 for _ in self.places))
        if self.in_time and self.data.lengths is not None:
            factors[self._ended(samples)] = 0
        return factors[cut]

    def _targets(self, samples: Any, begin: int, end: int) -> Array:
        """The minibatch's part of y, and of a chunk of time where it has one."""
        y: Array = self.data.y[samples]
        y.flags.writeable = False  # it may be a view of what the user passed
        times = self.data.times
        if self.in_time and (begin, end) != (0, times) and y.ndim > 1 and y.shape[1] == times:
            return y[:, begin:end]
        return y

    def _checked(self, answer: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """The two arrays that the function returned."""
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            came = (
                f"{len(answer)} items"
                if isinstance(answer, tuple | list)
                else _validate.kind(answer)
            )
            raise TypeError(
                f"loss: expected the function to return losses and their gradient, a pair, got {came}"
            )
        losses, gradients = (
            _real(f"loss: expected {name} from the function as real numbers", each)
            for name, each in zip(("losses", "gradients"), answer, strict=True)
        )
        wanted = [shape[:1]]
        if self.places:
            wanted.append(tuple(np.delete(shape, self.axis).tolist()))
        if losses.shape not in wanted:
            raise ValueError(
                f"loss: expected losses of shape {' or '.join(map(str, wanted))} from the function, got "
                f"{losses.shape}"
            )
        if gradients.shape != shape:
            raise ValueError(
                f"loss: expected gradients of shape {shape}, that of h, from the function, got "
                f"{gradients.shape}"
            )
        return losses, gradients

    def _by_place(
        self, losses: Array, gradients: Array, shape: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Losses of each place, of which the engine takes a mean or, with "batchmean", a sum."""
        if losses.shape == shape:
            return losses, gradients
        weights = self.data.weights
        if self.data.lengths is not None or (weights is not None and weights.ndim > 1):
            raise ValueError(
                f"loss: expected losses of shape {shape} from the function, for timesteps count by "
                f"themselves where there are lengths or weights of them; got {losses.shape}"
            )
        places = math.prod(shape[1:])
        losses = losses.reshape(len(losses), *(1 for _ in shape[1:]))
        if self.loss.reduction == "mean":
            gradients = gradients * places
        else:
            losses = losses / places
        return np.broadcast_to(losses, shape), gradients

    def _refuse_nan(self, losses: Array, gradients: Array, h: Array, factors: Array) -> None:
        """ValueError for NaN made of outputs that are finite."""
        made = (factors != 0) & np.isfinite(h).all(axis=self.axis)
        for name, bad in (
            ("losses", np.isnan(losses)),
            ("gradients", np.isnan(gradients).any(axis=self.axis)),
        ):
            if (bad & made).any():
                at = tuple(np.argwhere(bad & made)[0].tolist())
                raise ValueError(
                    f"loss: expected {name} from the function that are numbers, got NaN at {at} of the "
                    "minibatch"
                )


def _real(expected: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"{expected}, got {_validate.kind(value)}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{expected}, got {_validate.described(array)}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
