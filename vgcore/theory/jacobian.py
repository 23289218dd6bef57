"""How a recurrent layer's last state depends on its earlier ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core import tangents
from vgcore.model import inputs
from vgcore.theory.walks import Float64, Walk, check

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


class _Norms(NamedTuple):
    lags: Array
    spectral: Array
    frobenius: Array


class Jacobian(_Norms):
    """dh_T/dh_{T-k} (units, units) of each sample, in numbers: one row per sample, one column per lag k.

    A tuple of ``lags``, ``spectral`` and ``frobenius``.

    Attributes
    ----------
    lags : ndarray of int, (lags,)
    spectral : ndarray of float64, (n, lags)
        The largest singular value: how much a change of h_{T-k} can change h_T.
    frobenius : ndarray of float64, (n, lags)
        The root of the sum of squares of all elements.
    singular_values : ndarray of float64, (n, lags, units)
        All of them, largest first. What is below some 1e-16 of the largest is rounding; `lyapunov` tells
        how directions shrink that are that much weaker than others.
    """

    singular_values: Array

    def __new__(
        cls,
        lags: Array,
        spectral: Array,
        frobenius: Array,
        singular_values: Array | None = None,
    ) -> Jacobian:
        """Keep the tuple of three that it was before it had all singular values."""
        made = super().__new__(cls, lags, spectral, frobenius)
        made.singular_values = (
            np.empty((*spectral.shape, 0)) if singular_values is None else singular_values
        )
        return made

    def __repr__(self) -> str:
        """Show of what it is."""
        return (
            f"<Jacobian: dh_T/dh_{{T-k}} of {len(self.spectral)} samples, {len(self.lags)} lags k>"
        )

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What a copy is made of."""
        return (*self, self.singular_values)


def state_jacobian(
    session: Session,
    x: ArrayLike,
    layer: str,
    lags: Iterable[int],
    *,
    lengths: ArrayLike | None,
    align: str,
    initial_state: Sequence[Any] | None,
) -> Jacobian:
    """See `Sequential.state_jacobian`."""
    data = inputs.samples(session, x, lengths)
    name = check(session, layer)
    lags = _validate.items("lags", lags, "integers")
    _validate.one_of("align", align, ("end", "start"))
    with session.turn:
        walk = Walk(session, name, data, initial_state)
        chosen = [_validate.integer("lags", lag, minimum=0, maximum=walk.times) for lag in lags]
        spectral, frobenius = np.full((2, len(data.x), len(chosen)), np.nan)
        values = np.full((len(data.x), len(chosen), walk.units), np.nan)
        for sample in range(len(data.x)):
            for lag, matrix in _products(walk, sample, set(chosen), align):
                [found] = spectra(matrix[np.newaxis])
                for column in (i for i, each in enumerate(chosen) if each == lag):
                    spectral[sample, column] = found[0]
                    frobenius[sample, column] = math.hypot(*found)  # which does not overflow
                    values[sample, column] = found
    return Jacobian(np.array(chosen), spectral, frobenius, values)


def spectra(matrices: Array) -> Float64:
    """Singular values of matrices (n, rows, columns), largest first; NaN where elements are not finite."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    found = np.full((len(matrices), min(matrices.shape[1:])), np.nan)
    found[finite] = np.linalg.svd(matrices[finite], compute_uv=False)
    return found


def _products(walk: Walk, sample: int, lags: set[int], align: str) -> Iterator[tuple[int, Float64]]:
    """dh_{t+lag}/dh_t (units, units) of one sample, or its transpose, for those lags that it has.

    The product of the Jacobians of the last ``lag`` timesteps or, transposed, of the first ones.
    """
    wanted = sorted(lag for lag in lags if lag <= walk.lengths[sample])
    product, done, backwards = np.eye(walk.size)[: walk.units], 0, align == "end"
    if 0 in wanted:
        yield 0, product[:, : walk.units]
    for _, _, jacobians in walk.backwards(sample) if backwards else walk.forwards(sample):
        first, last = done, done + len(jacobians)
        for lag in [*(each for each in wanted if first < each < last), last]:
            if not any(each >= lag for each in wanted):
                return
            ahead = (
                slice(last - lag, last - done) if backwards else slice(done - first, lag - first)
            )
            tangents.multiply(product, jacobians[ahead], backwards=backwards)
            done = lag
            if lag in wanted:
                yield lag, product[:, : walk.units]
